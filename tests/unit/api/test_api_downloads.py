"""Downloads over /api/v1: what is taken, shown, held back and refused. (Fetching itself: tests/unit/downloads.)"""

from starlette.testclient import TestClient

PATH = "/api/v1/models/downloads"
WISH = {"url": "https://civitai.com/api/download/models/7?token=planted-secret"}


def test_a_wish_is_listed_held_back_and_given_up(client: TestClient) -> None:
    """Nothing runs here: the list is not started."""
    answer = client.post(PATH, json=WISH)
    assert answer.status_code == 202
    entry = answer.json()
    assert (entry["state"], entry["asked"]) == ("queued", "https://civitai.com/api/download/models/7")
    assert client.post(f"{PATH}/{entry['id']}/pause").json()["state"] == "paused"
    assert client.post(f"{PATH}/{entry['id']}/resume").json()["state"] == "queued"
    listed = client.get(PATH)
    assert listed.json()["allowed"] and [e["id"] for e in listed.json()["downloads"]] == [entry["id"]]
    assert "planted-secret" not in listed.text + answer.text
    assert client.delete(f"{PATH}/{entry['id']}").status_code == 204
    assert client.get(PATH).json()["downloads"] == []


def test_what_is_no_wish_or_no_download(client: TestClient) -> None:
    assert client.post(PATH, json={"url": ""}).status_code == 422
    assert client.post(PATH, json={"url": "x" * 5000}).status_code == 422
    assert client.post(PATH, json={"url": "https://example.org/x", "kind": "program"}).status_code == 422
    for method, path in (("POST", "none/pause"), ("POST", "none/resume"), ("DELETE", "none")):
        assert client.request(method, f"{PATH}/{path}").status_code == 404


def test_a_public_server_without_password_downloads_nothing(build) -> None:
    client = build(listen=True).client()
    answer = client.post(PATH, json=WISH)
    assert answer.status_code == 422 and "--download-models on" in answer.text
    assert client.get(PATH).json()["allowed"] is False
    assert build(listen=True, download_models="on").client().post(PATH, json=WISH).status_code == 202
