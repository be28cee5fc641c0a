"""A server that is stopped in mid-run answers those who wait."""

import threading
import time
from pathlib import Path

import httpx

from tests.support.server import running_server


def test_who_waits_is_told_that_the_server_was_stopped(tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    body = {"prompt": "x", "steps": 1000, "width": 256, "height": 256, "n_iter": 100}
    with running_server(tmp_path, "--device", "cpu", "--nowebui", path="internal/ping") as url:
        waiting = threading.Thread(target=lambda: answers.append(httpx.post(f"{url}sdapi/v1/txt2img", json=body, timeout=90)))
        waiting.start()
        end = time.monotonic() + 60
        while not httpx.get(f"{url}api/v1/jobs", timeout=30).json() and time.monotonic() < end:
            time.sleep(0.2)
    waiting.join(30)
    assert [answer.status_code for answer in answers] == [503]
    assert "The engine was stopped before the job was done." in answers[0].json()["errors"]
