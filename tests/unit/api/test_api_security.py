"""Who may ask what: other people's pages, passwords, secrets, and jobs that are somebody else's."""

import base64
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.api.auth import Credentials
from app.schema.errors import InvalidParams
from tests.unit.jobs.conftest import wait_for

from .conftest import SMALL, URL

PASSWORD = "planted-secret-93"
HTML = {"accept": "text/html,application/xhtml+xml"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def add_page(app: FastAPI) -> None:
    """Stands for the page, which is mounted at the root."""

    async def page(scope, receive, send) -> None:
        await PlainTextResponse("the page")(scope, receive, send)

    app.mount("/", page)


# pages of other sites


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": URL}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8000"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "https://pod-3000.proxy.example", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://pod-3000.proxy.example", "x-forwarded-host": "pod-3000.proxy.example"}, 403),
        ({"host": "localhost:3000", "origin": "http://localhost:3000"}, 200),
        ({"host": "[::1]:3000"}, 200),
        ({"host": "host.docker.internal:3000"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:3000", "origin": "http://evil.example:3000"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "not a host["}, 403),
        ({"host": "localhost#evil.example"}, 403),
        ({"host": "localhost/evil.example"}, 403),
        ({"host": "evil.example@localhost"}, 403),
    ],
)
def test_who_may_change_something_on_a_local_server(client: TestClient, headers: dict, status: int) -> None:
    response = client.post("/sdapi/v1/skip", headers=headers)
    assert response.status_code == status, response.text
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("peer", "status"), [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("10.0.0.7", 403), ("pod", 403)])
def test_only_a_proxy_on_this_machine_says_what_host_was_asked_for(build, peer: str, status: int) -> None:
    client = TestClient(build(listen=True).app(), base_url=URL, client=(peer, 50000))
    told = {"host": "localhost:3000", "origin": "https://pod.example", "x-forwarded-host": "pod.example"}
    assert client.post("/sdapi/v1/skip", headers=told).status_code == status
    named = TestClient(build(listen=True, cors_allow_origins="https://pod.example").app(), base_url=URL, client=(peer, 50000))
    assert named.post("/sdapi/v1/skip", headers=told).status_code == 200


def test_without_named_pages_no_page_is_let_in(client: TestClient) -> None:
    asked = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-forwarded-host",
    }
    answer = client.options("/sdapi/v1/txt2img", headers=asked)
    assert answer.status_code == 400 and "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-credentials" not in answer.headers


def test_reading_is_refused_to_a_name_that_was_bound_to_us(client: TestClient) -> None:
    assert client.get("/sdapi/v1/options", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/sdapi/v1/options", headers={"origin": "https://evil.example"}).headers.get("access-control-allow-origin") is None


def test_a_public_server_has_any_name_and_yet_one_origin(build) -> None:
    client = build(listen=True).client()
    assert client.post("/sdapi/v1/skip", headers={"host": "pod.example"}).status_code == 200
    assert client.post("/sdapi/v1/skip", headers={"host": "pod.example", "origin": "https://pod.example"}).status_code == 200
    assert client.post("/sdapi/v1/skip", headers={"host": "pod.example", "origin": "https://evil.example"}).status_code == 403


def test_cors_lets_named_pages_in(build) -> None:
    client = build(cors_allow_origins="https://friend.example/, https://other.example", api_auth="me:pw").client()
    friend = {"origin": "https://friend.example"}
    asked = client.options(
        "/sdapi/v1/txt2img", headers={**friend, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    )
    assert asked.status_code == 200 and asked.headers["access-control-allow-origin"] == "https://friend.example"
    answered = client.post("/sdapi/v1/skip", headers={**friend, **basic("me", "pw")})
    assert answered.status_code == 200 and answered.headers["access-control-allow-origin"] == "https://friend.example"
    stranger = client.post("/sdapi/v1/skip", headers={"origin": "https://evil.example", **basic("me", "pw")})
    assert stranger.status_code == 403 and "access-control-allow-origin" not in stranger.headers


# names and passwords


def test_api_auth_guards_what_programs_call(build) -> None:
    world = build(api_auth=f"me:{PASSWORD},you:pass:with:colons")
    world.extra = add_page
    client = world.client()
    for path in ("/sdapi/v1/options", "/api/v1/jobs", "/internal/ping", "/sdapi/v1/nope", "/api/v1/pictures/x"):
        response = client.get(path)
        assert response.status_code == 401 and response.headers["www-authenticate"].startswith("Basic"), path
        for wrong in (
            basic("me", "wrong"),
            basic("you", PASSWORD),
            basic("", ""),
            {"authorization": "Basic !!"},
            {"authorization": "Bearer x"},
        ):
            assert client.get(path, headers=wrong).status_code == 401
    for right in (basic("me", PASSWORD), basic("you", "pass:with:colons")):
        assert client.get("/sdapi/v1/options", headers=right).status_code == 200
    assert client.get("/").text == "the page"


def test_gradio_auth_guards_everything(build) -> None:
    world = build(gradio_auth=f"me:{PASSWORD}", api_auth="robot:pw")
    world.extra = add_page
    client = world.client()
    for path in ("/", "/docs", "/openapi.json", "/sdapi/v1/options", "/api/v1/events", "/internal/ping", "/file=x", "/gradio_api/info"):
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers=basic("me", "wrong")).status_code == 401, path
    assert client.post("/sdapi/v1/txt2img", json=SMALL).status_code == 401
    assert client.get("/", headers=basic("me", PASSWORD)).text == "the page"
    assert client.get("/sdapi/v1/options", headers=basic("me", PASSWORD)).status_code == 200
    assert client.get("/sdapi/v1/options", headers=basic("robot", "pw")).status_code == 200
    assert client.get("/", headers=basic("robot", "pw")).status_code == 401


def test_a_websocket_is_guarded_too(build) -> None:
    from starlette.websockets import WebSocketDisconnect

    world = build(gradio_auth=f"me:{PASSWORD}")
    with pytest.raises(WebSocketDisconnect), world.client().websocket_connect("ws://127.0.0.1:3000/ws"):
        pass


def test_logging_in_with_a_form(build) -> None:
    world = build(gradio_auth=f"me:{PASSWORD}")
    world.extra = add_page
    client = world.client()
    client.follow_redirects = False
    sent_away = client.get("/", headers=HTML)
    assert (sent_away.status_code, sent_away.headers["location"]) == (303, "/login")
    assert "Log in" in client.get("/login", headers=HTML).text
    refused = client.post("/login", data={"username": "me", "password": "no"}, headers=HTML)
    assert refused.status_code == 401 and "darkroom_session" not in refused.headers.get("set-cookie", "")
    assert "not known" in refused.text
    let_in = client.post("/login", data={"username": "me", "password": PASSWORD}, headers=HTML)
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/")
    assert re.search(r"darkroom_session=\S+;.*HttpOnly;.*SameSite=lax", let_in.headers["set-cookie"])
    assert client.get("/", headers=HTML).text == "the page"
    assert client.get("/api/v1/jobs").status_code == 200
    client.cookies.clear()
    forged = f"darkroom_session=99999999999.{'0' * 64}"
    assert client.get("/api/v1/jobs", headers={"cookie": forged}).status_code == 401


def test_a_program_may_log_in_with_the_form(build) -> None:
    client = build(gradio_auth=f"me:{PASSWORD}").client()
    assert client.post("/login", data={"username": "me", "password": PASSWORD}).json() == {"success": True}
    assert client.get("/sdapi/v1/samplers").status_code == 200


def test_links_below_a_subpath(build) -> None:
    world = build(gradio_auth=f"me:{PASSWORD}")
    client = TestClient(world.app(), base_url=URL, root_path="/sd", follow_redirects=False)
    assert client.get("/sd/", headers=HTML).headers["location"] == "/sd/login"
    assert client.get("/sd/login").status_code == 200
    assert client.get("/sd/sdapi/v1/options").status_code == 401


@pytest.mark.parametrize("given", ["me", "me:pw,you", ",", "  "])
def test_a_flag_that_is_no_pair_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        Credentials(f"{given}", "--api-auth")
    assert "--api-auth" in str(refused.value) and "you" not in str(refused.value)


def test_no_answer_holds_a_secret(build) -> None:
    """Every GET route, and the answers to what is wrong, with a password planted in both flags."""
    world = build(gradio_auth=f"me:{PASSWORD}", api_auth=f"robot:{PASSWORD}")
    client = world.client(**basic("robot", PASSWORD))
    asked = 0
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        if "get" in methods and not path.endswith("/events"):
            response = client.get(path.replace("{job}", "x").replace("{picture}", "x"))
            asked += 1
            assert PASSWORD not in response.text + str(response.headers), path
    assert asked > 25
    for method, path, body in (
        ("POST", "/sdapi/v1/txt2img", SMALL),
        ("POST", "/sdapi/v1/txt2img", {"steps": 0}),
        ("POST", "/sdapi/v1/options", {"api_auth": "x"}),
        ("POST", "/api/v1/jobs", {"prompt": 3}),
    ):
        assert PASSWORD not in client.request(method, path, json=body).text
    assert "gradio_auth" not in client.get("/sdapi/v1/cmd-flags").json()


# whose job is it


def test_a_browser_is_given_an_id_when_it_opens_a_page(world) -> None:
    world.extra = add_page
    client = world.client()
    first = client.get("/", headers=HTML)
    assert re.fullmatch(r"darkroom_client=[0-9a-f]{32}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Lax", first.headers["set-cookie"])
    assert "set-cookie" not in client.get("/", headers=HTML).headers
    assert "set-cookie" not in world.client().get("/").headers
    assert "set-cookie" not in world.client().post("/sdapi/v1/skip").headers
    broken = world.client().get("/", headers={**HTML, "cookie": "darkroom_client=../../etc"})
    assert "darkroom_client=" in broken.headers["set-cookie"]


def test_other_programs_cookies_do_not_hide_ours(world) -> None:
    world.extra = add_page
    odd = f'theme={{"a": "b,c"}}; bad[key]=1; darkroom_client={"a" * 32}; x'
    assert "set-cookie" not in world.client().get("/", headers={**HTML, "cookie": odd}).headers


def as_client(world, letter: str) -> TestClient:
    return world.client(cookie=f"darkroom_client={letter * 32}")


def test_jobs_are_their_owners(world) -> None:
    mine, yours = as_client(world, "a"), as_client(world, "b")
    body = {"prompt": "secret thing", "seed": 1, "steps": 2, "width": 16, "height": 16, "sampler": "Euler"}
    world.engine.free = False
    job = mine.post("/api/v1/jobs", json=body).json()["id"]
    for response in (
        yours.get(f"/api/v1/jobs/{job}"),
        yours.get(f"/api/v1/jobs/{job}/preview"),
        *(yours.post(f"/api/v1/jobs/{job}/{how}") for how in ("interrupt", "skip", "cancel")),
    ):
        assert response.status_code == 404 and "secret" not in response.text
    assert yours.get("/api/v1/jobs").json() == [] and [j["id"] for j in mine.get("/api/v1/jobs").json()] == [job]
    assert "a" * 32 not in mine.get(f"/api/v1/jobs/{job}").text
    world.engine.allow(2)
    assert world.jobs.wait(job, 10).state == "done"


def test_on_a_public_server_nobody_sees_or_stops_a_strangers_job(build) -> None:
    world = build(listen=True)
    mine, robot = as_client(world, "a"), world.client()
    world.engine.free = False
    body = {"prompt": "secret thing", "steps": 3, "width": 16, "height": 16, "task_id": "task(mine)"}
    job = mine.post("/api/v1/jobs", json=body).json()["id"]
    world.engine.allow(1)
    while not world.jobs.get(job).step:
        pass
    assert robot.get("/sdapi/v1/progress").json()["state"]["job_count"] == 0
    assert robot.get("/sdapi/v1/progress?task_id=task(mine)").json()["current_image"] is None
    assert robot.post("/internal/progress", json={"id_task": "task(mine)"}).json()["live_preview"] is None
    assert robot.post("/sdapi/v1/interrupt").status_code == 200
    assert world.jobs.get(job).state == "running" and not world.engine._stops
    assert mine.get("/sdapi/v1/progress").json()["state"]["job_count"] == 1
    assert mine.post("/sdapi/v1/interrupt").status_code == 200
    assert world.jobs.wait(job, 10).interrupted


def test_on_a_local_server_programs_see_the_pages_job(world) -> None:
    world.engine.free = False
    body = {"prompt": "a", "steps": 3, "width": 16, "height": 16}
    job = as_client(world, "a").post("/api/v1/jobs", json=body).json()["id"]
    world.engine.allow(1)
    while not world.jobs.get(job).step:
        pass
    assert world.client().get("/sdapi/v1/progress").json()["state"]["job_count"] == 1
    assert world.client().post("/sdapi/v1/interrupt").status_code == 200
    assert world.jobs.wait(job, 10).interrupted


@pytest.mark.parametrize("by_session", [True, False])
def test_pictures_are_named_after_who_signed_in(build, by_session: bool) -> None:
    world = build(gradio_auth=f"me:{PASSWORD},zoë:{PASSWORD}")
    world.options.set_many({"samples_filename_pattern": "[user]-[seed]"})
    client = world.client()
    if by_session:
        client.post("/login", data={"username": "zoë", "password": PASSWORD})
    headers = {} if by_session else basic("zoë", PASSWORD)
    for path, asked in (("/sdapi/v1/txt2img", SMALL | {"save_images": True}), ("/api/v1/jobs", {"prompt": "a cat", "steps": 1})):
        answer = client.post(path, json=asked | {"seed": 7}, headers=headers)
        assert answer.is_success, answer.text
        job = answer.headers.get("x-job-id") or answer.json()["id"]
        wait_for(lambda job=job: world.jobs.get(job).ended)
        assert [Path(view.path).name.split("-", 1)[1] for view in world.jobs.get(job).pictures] == ["zoë-7.png"]
        again = world.jobs.again(job)
        wait_for(lambda again=again: world.jobs.get(again).ended)
        assert "zoë-7" in world.jobs.get(again).pictures[0].path


def test_a_token_with_another_name_is_not_let_in(build) -> None:
    client = build(gradio_auth=f"me:{PASSWORD}").client()
    client.post("/login", data={"username": "me", "password": PASSWORD})
    token = client.cookies["darkroom_session"]
    expiry, _, signature = token.split(".")
    for forged in (f"{expiry}.{b'root'.hex()}.{signature}", f"{expiry}.{signature}", "..", "x", "é.é.é"):
        client.cookies.clear()
        assert client.get("/sdapi/v1/options", headers={"cookie": f"darkroom_session={forged}".encode()}).status_code == 401, forged
    assert client.get("/sdapi/v1/options", headers={"cookie": f"darkroom_session={token}"}).status_code == 200
