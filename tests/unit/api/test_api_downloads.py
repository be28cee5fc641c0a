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


def test_on_a_public_server_downloads_are_their_owners(build) -> None:
    client = build(listen=True, download_models="on").client()
    mine, theirs = ({"Cookie": f"darkroom_client={letter * 32}"} for letter in "ab")
    entry = client.post(PATH, json=WISH, headers=mine).json()
    assert [e["id"] for e in client.get(PATH, headers=mine).json()["downloads"]] == [entry["id"]]
    assert client.get(PATH, headers=theirs).json()["downloads"] == client.get(PATH).json()["downloads"] == []
    for headers in (theirs, {}):
        for method, path in (("POST", "/pause"), ("POST", "/resume"), ("DELETE", "")):
            answer = client.request(method, f"{PATH}/{entry['id']}{path}", headers=headers)
            assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such download.")
    other = client.post(PATH, json=WISH, headers=theirs).json()
    assert other["id"] != entry["id"], "somebody else's wish is a download of its own"
    assert client.post(f"{PATH}/{entry['id']}/pause", headers=mine).json()["state"] == "paused"
    assert client.get(PATH, headers=theirs).json()["downloads"][0]["state"] == "queued"


def test_on_a_server_for_this_machine_only_all_downloads_are_the_owners(client: TestClient) -> None:
    entry = client.post(PATH, json=WISH, headers={"Cookie": f"darkroom_client={'a' * 32}"}).json()
    assert [e["id"] for e in client.get(PATH).json()["downloads"]] == [entry["id"]]
    assert client.post(PATH, json={**WISH, "kind": "lora"}).json()["id"] == entry["id"], "the same wish, now with its folder"
    assert client.get(PATH).json()["downloads"][0]["kind"] == "lora"
    assert client.delete(f"{PATH}/{entry['id']}").status_code == 204
