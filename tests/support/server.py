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


class ServerProcess:
    """A server on a port and a folder that stay, whose process can be killed and started again."""

    def __init__(self, data: Path, *flags: str, module: tuple[str, ...] = ("app.cli", "serve")) -> None:
        """`module`: what Python runs, with its own first arguments."""
        self._data, self._flags, self._module, self._port = data, flags, module, free_port()
        self.url = f"http://127.0.0.1:{self._port}/"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, path: str = "") -> None:
        """Starts it and waits until it answers at `path`."""
        environ = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
        log = self._data / "server.log"
        command = [sys.executable, "-m", *self._module, "--port", str(self._port), "--data-dir", str(self._data), *self._flags]
        with log.open("a") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
        _wait(self.url + path, self.process, log)

    def kill(self) -> None:
        """As `kill -9` and power cuts do it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl+C does it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def running_server(data: Path, *flags: str, path: str = "", module: tuple[str, ...] = ("app.cli", "serve")) -> Iterator[str]:
    """Its address with a slash at the end, served from the folder `data`; ended afterwards. `path` is asked for until it answers."""
    server = ServerProcess(data, *flags, module=module)
    try:
        server.start(path)
        yield server.url
    finally:
        server.stop()


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
