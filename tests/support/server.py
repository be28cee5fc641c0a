"""A real server in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.support.paths import ROOT

START_S = 90


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(data: Path, *flags: str, path: str = "") -> Iterator[str]:
    """Its address with a slash at the end, served from the folder `data`; ended afterwards. `path` is asked for until it answers."""
    url = f"http://127.0.0.1:{(port := free_port())}/"
    environ = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    log = data / "server.log"
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--data-dir", str(data), *flags]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
        try:
            _wait(url + path, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}: {log.read_text()[-2000:]}")
        try:
            with urlopen(url, timeout=30):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"no answer after {START_S} s: {log.read_text()[-2000:]}")
