"""What of the page can be reached from outside: the page itself and its handlers, with plain values, and nothing else of Gradio."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.server import running_server

RUN = "/gradio_api/run/predict"
SECRET = "top secret"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door")


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that the server can read and nobody may."""
    path = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    path.write_text(SECRET)
    return path


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    # A public address as Host, as behind a forwarded port: where Gradio's own guard lets any page in.
    with running_server(folder, "--device", "cpu") as url, httpx.Client(base_url=url, timeout=60, headers={"host": "8.8.8.8:3000"}) as made:
        yield made


@pytest.fixture(scope="module")
def handlers(client: httpx.Client) -> list[dict[str, Any]]:
    """The page's events that have a handler here, as the page itself reads them; `values` are what its controls hold."""
    config = client.get("/config").json()
    start = {part["id"]: part["props"].get("value") for part in config["components"]}
    events = [event for event in config["dependencies"] if event["backend_fn"]]
    return [{"id": event["id"], "name": event["api_name"], "values": [start[i] for i in event["inputs"]]} for event in events]


def call(client: httpx.Client, number: object, values: object, **more: Any) -> httpx.Response:
    return client.post(RUN, content=json.dumps({"fn_index": number, "data": values, "session_hash": "s", **more}), headers=JSON)


def with_one(values: list[Any], place: int, value: object) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


def test_the_page_has_all_it_needs(client: httpx.Client) -> None:
    page = client.get("/", headers={"accept": "text/html"})
    assert page.status_code == 200 and "gradio_config" in page.text
    assets = [word for word in page.text.replace("'", '"').split('"') if word.endswith((".js", ".css")) and "assets/" in word]
    assert assets
    for path in (assets[0].lstrip("."), "/theme.css", "/config", "/gradio_api/app_id", "/static-darkroom/js/main.js"):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/file={secret}"),
        ("GET", "/gradio_api/file/{secret}"),
        ("GET", "/file={secret}"),
        ("GET", "/gradio_api/proxy=http://example.com"),
        ("POST", "/gradio_api/queue/join"),
        ("GET", "/gradio_api/queue/data?session_hash=s"),
        ("GET", "/gradio_api/queue/status"),
        ("POST", "/gradio_api/call/apply"),
        ("POST", "/gradio_api/call/v2/apply"),
        ("POST", "/gradio_api/run/apply"),
        ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/run/predict/"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/gradio_api/reset"),
        ("GET", "/gradio_api/heartbeat/s"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/startup-events"),
        ("GET", "/gradio_api/deep_link"),
        ("POST", "/gradio_api/vibe-code/"),
        ("POST", "/gradio_api/process_recording"),
        ("GET", "/gradio_api/custom_component/x/client/component/x"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/monitoring"),
        ("GET", "/svelte/x"),
        ("POST", "/"),
        ("PUT", "/config"),
    ],
)
def test_gradios_other_routes_do_not_exist(client: httpx.Client, secret: Path, method: str, path: str) -> None:
    response = client.request(method, path.format(secret=secret), json={"data": [], "fn_index": 0, "session_hash": "s", "event_id": "x"})
    assert response.status_code == 404 and response.json()["detail"] == "There is nothing here."


def test_no_file_can_be_taken_through_a_handler(client: httpx.Client, handlers: list[dict[str, Any]], folder: Path, secret: Path) -> None:
    """Gradio copies a file that a value names into its cache, and tells where."""
    assert {"apply", "generate", "load"} <= {handler["name"].split("_")[0] for handler in handlers}
    file = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    for handler in handlers:
        for place in range(len(handler["values"])):
            for value in (file, [file], [[file]], {"x": file}):
                response = call(client, handler["id"], with_one(handler["values"], place, value))
                assert response.status_code == 422 and "take texts, numbers" in response.json()["error"]
                assert str(secret) not in response.text
    cache = folder / "cache"
    assert not [path for path in cache.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", ["apply", "load"])
def test_what_a_call_says_beside_its_values_is_left_out(client: httpx.Client, handlers: list[dict[str, Any]], name: str) -> None:
    handler = next(handler for handler in handlers if handler["name"] == name)
    plain = call(client, handler["id"], handler["values"])
    assert plain.status_code == 200
    more = call(client, handler["id"], handler["values"], batched=True, simple_format=True, event_data={"path": "x"}, oauth_token="x")
    assert more.status_code == 200 and more.json()["data"] == plain.json()["data"]


@pytest.mark.parametrize("number", [9999, -1, "0", None, True, 0.0, 10**30])
def test_a_handler_that_does_not_exist(client: httpx.Client, number: object) -> None:
    response = call(client, number, [])
    assert (response.status_code, response.json()["error"]) == (404, "The page has no such handler; reload it.")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"data":' + b"[" * 100_000, b"\xff\xfe"])
def test_a_call_that_is_no_call(client: httpx.Client, body: bytes) -> None:
    response = client.post(RUN, content=body, headers=JSON)
    assert response.status_code in (404, 422) and response.json()["error"]


def test_values_that_no_browser_sends(client: httpx.Client, handlers: list[dict[str, Any]]) -> None:
    for handler in handlers:
        values = handler["values"]
        for wrong in ("x", {}, [*values, None], values[1:] if values else [None]):
            assert call(client, handler["id"], wrong).status_code == 422
        for place in range(len(values)):
            for value in ("\ud800", float("nan"), float("inf"), [["x"]]):
                response = call(client, handler["id"], with_one(values, place, value))
                assert response.status_code == 422 and len(response.json()["error"]) < 200


WRONG = (None, "x" * 100, "[]", '{"images":5}', '{"data":5,"id":{}}', '{"leave":7}', "[" * 100_000, "tiny\0", 5, -1.5, True, [], ["x"])


def test_wrong_values_are_answered_with_a_sentence(client: httpx.Client, handlers: list[dict[str, Any]]) -> None:
    """None of them ends in an exception's own words, or in no answer at all."""
    for handler in handlers:
        for value in WRONG:
            response = call(client, handler["id"], [value] * len(handler["values"]))
            assert response.status_code == 200, (handler["name"], value, response.text[:200])
            error = response.json()["data"][-1].get("error")
            assert error is None or (len(error) < 400 and "object" not in error and "Error" not in error), (handler["name"], value, error)


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("apply", [5, "", []], "Prompt should be a text."),
        ("apply", ["", "", "x"], "Styles should be a list of texts."),
        ("apply", ["", "", [3]], "Styles should be a list of texts."),
        ("fill", [7], "Prompt should be a text."),
    ],
)
def test_the_sentence_names_the_control(
    client: httpx.Client, handlers: list[dict[str, Any]], name: str, values: list[Any], told: str
) -> None:
    found = [handler for handler in handlers if handler["name"] == name and len(handler["values"]) == len(values)]
    answers = [call(client, handler["id"], values).json()["data"][-1]["error"] for handler in found]
    assert told in answers


def test_no_other_page_is_let_in(client: httpx.Client) -> None:
    """Gradio's own rule would let every page in where Host is a public name."""
    stranger = {"origin": "http://evil.example"}
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-forwarded-host"}
    for path in ("/", "/config", RUN, "/gradio_api/queue/join", "/gradio_api/upload", "/sdapi/v1/txt2img", "/api/v1/jobs", "/theme.css"):
        asked, read = client.options(path, headers={**stranger, **asks}), client.get(path, headers=stranger)
        for response in (asked, read):
            assert not [name for name in response.headers if name.startswith(("access-control-allow-origin", "access-control-allow-cred"))]
        assert asked.status_code == 400
        assert client.post(path, headers=stranger, json={}).status_code == 403
