"""The queue's routes, requests that are sent twice, and the machine's figures."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.unit.jobs.conftest import wait_for

from .conftest import SMALL, World

ME, YOU = ({"cookie": f"darkroom_client={letter * 32}"} for letter in "ab")
JOB = {"prompt": "a red house", "seed": 1, "steps": 3, "width": 64, "height": 64}


def submit(client: TestClient, who: dict[str, str], **more: Any) -> str:
    answer = client.post("/api/v1/jobs", json={**JOB, **more}, headers=who)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def line_up(world: World, client: TestClient) -> tuple[str, list[str]]:
    """A running job that fills the engine, and three of mine and one of yours behind it."""
    world.engine.free = False
    front = submit(client, ME, width=2048, height=2048)
    wait_for(lambda: world.jobs.get(front).state == "running")
    submit(client, YOU, width=2048, height=2048)
    return front, [submit(client, who, seed=seed, width=512) for seed, who in enumerate((ME, ME, ME, YOU))]


def test_the_owner_of_a_server_for_this_machine_sees_and_moves_all(world: World, client: TestClient) -> None:
    _, line = line_up(world, client)
    queue = client.get("/api/v1/queue", headers=ME).json()
    assert queue["everybody"] and not queue["paused"] and queue["latest"] == []
    waiting = [job["id"] for job in queue["jobs"] if job["position"] and job["id"] in line]
    assert waiting == line and [job["mine"] for job in queue["jobs"] if job["id"] in line] == [True] * 3 + [False]
    positions = {job["id"]: job["position"] for job in queue["jobs"]}
    moved = client.post(f"/api/v1/queue/{line[3]}/move", json={"position": 1}, headers=ME).json()
    assert {job["id"]: job["position"] for job in moved["jobs"]}[line[3]] == positions[line[0]]
    after = client.post(f"/api/v1/queue/{line[3]}/cancel", headers=ME).json()
    wait_for(lambda: world.jobs.get(line[3]).state == "cancelled")
    assert len(after["jobs"]) <= 6
    assert client.post(f"/api/v1/queue/{line[0]}/move", json={"position": 0}, headers=ME).status_code == 422
    assert client.post("/api/v1/queue/nothing/cancel", headers=ME).status_code == 404


def test_on_a_public_server_everybody_acts_on_his_own(build: Callable[..., World]) -> None:
    world = build(listen=True)
    client = world.client()
    _, line = line_up(world, client)
    queue = client.get("/api/v1/queue", headers=YOU).json()
    assert not queue["everybody"] and all(job["mine"] for job in queue["jobs"]) and len(queue["jobs"]) == 2
    for route in ("cancel", "move", "requeue"):
        assert client.post(f"/api/v1/queue/{line[0]}/{route}", json={"position": 1}, headers=YOU).status_code == 404
    assert client.post("/api/v1/queue/pause", headers=YOU).json()["paused"]
    assert not client.get("/api/v1/queue", headers=ME).json()["paused"]
    assert world.jobs.get(line[0]).state == "queued"


def test_pause_holds_back_what_waits_and_requeue_makes_a_job_again(world: World, client: TestClient) -> None:
    assert client.post("/api/v1/queue/pause", headers=ME).json()["paused"]
    job = submit(client, ME)
    waiting = client.get(f"/api/v1/jobs/{job}", headers=ME).json()
    assert world.engine.jobs == [] and waiting["position"] == 1 and waiting["held"]
    client.post("/api/v1/queue/resume", headers=ME)
    first = world.jobs.wait(job, 10)
    assert not client.get(f"/api/v1/jobs/{job}", headers=ME).json()["held"]
    again = client.post(f"/api/v1/queue/{job}/requeue", headers=ME)
    assert again.status_code == 202
    second = world.jobs.wait(again.json()["id"], 10)
    assert second.params == first.params and second.id != first.id
    latest = client.get("/api/v1/queue", headers=ME).json()["latest"]
    assert [(entry["id"], entry["state"], entry["pictures"], entry["wanted"]) for entry in latest] == [
        (second.id, "done", 1, 1),
        (first.id, "done", 1, 1),
    ]


def test_a_request_that_is_sent_again_is_the_same_job(world: World, client: TestClient) -> None:
    key = {"Idempotency-Key": "once"}
    first = client.post("/api/v1/jobs", json=JOB, headers={**ME, **key})
    second = client.post("/api/v1/jobs", json=JOB, headers={**ME, **key})
    assert first.json() == second.json()
    assert client.post("/api/v1/jobs", json=JOB, headers={**YOU, **key}).json() != first.json(), "a key is its client's own"
    other = client.post("/api/v1/jobs", json={**JOB, "steps": 4}, headers={**ME, **key})
    assert other.status_code == 422 and "Idempotency-Key" in other.json()["detail"]
    waited = [client.post("/sdapi/v1/txt2img", json={**SMALL, "seed": -1}, headers=key) for _ in range(2)]
    assert waited[0].headers["X-Job-Id"] == waited[1].headers["X-Job-Id"] and waited[0].json()["images"] == waited[1].json()["images"]
    assert len(world.jobs.list()) == 3


def test_progress_answers_for_a_task_id_and_for_a_job_id(world: World, client: TestClient) -> None:
    world.engine.free = False
    job = submit(client, ME, task_id="task(shared)")
    submit(client, YOU, task_id="task(shared)", steps=9)
    wait_for(lambda: world.jobs.get(job).state == "running")
    world.engine.allow(1)
    wait_for(lambda: world.jobs.get(job).step == 1)
    for name in ("task(shared)", job):
        assert client.get("/sdapi/v1/progress", params={"task_id": name}, headers=ME).json()["state"]["sampling_step"] == 1
        assert client.post("/internal/progress", json={"id_task": name}, headers=ME).json()["active"]
    world.engine.free = True
    world.engine.allow(1)


def test_the_price_is_that_of_the_engines_time(build: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    world = build(price_per_hour=3.6)
    client = world.client()
    job = submit(client, ME)
    wait_for(lambda: world.jobs.get(job).state == "done")
    told = client.get(f"/api/v1/jobs/{job}", headers=ME).json()
    assert told["cost"] == 0.0 and {"queue", "save"} == set(told["seconds"]), "the small engine of this test says nothing of its time"


def test_metrics_are_in_prometheus_format(world: World, client: TestClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    job = submit(client, ME)
    wait_for(lambda: world.jobs.get(job).state == "done")
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    samples = {(s.name, *s.labels.values()): s.value for f in text_string_to_metric_families(answer.text) for s in f.samples}
    assert samples["darkroom_jobs_total", "done"] == 1 == samples["darkroom_pictures_total",]
    assert 0 < samples["darkroom_device_memory_used_bytes", "cpu"] < samples["darkroom_device_memory_total_bytes", "cpu"]
    status = client.get("/api/v1/status").json()
    assert status["machine"] == "cpu" and 0 <= status["load"] <= 1 and status["pictures_a_minute"] == 1


def test_metrics_ask_for_the_password_of_the_api(build: Callable[..., World]) -> None:
    assert build(api_auth="a:b").client().get("/metrics").status_code == 401
