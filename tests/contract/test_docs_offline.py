"""/docs asks no other server: its scripts and styles come with the package."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.schema.settings import ServerSettings
from app.server import Front


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(Front(ServerSettings(data_dir=tmp_path, nowebui=True, device="cpu")), base_url="http://127.0.0.1") as made:
        yield made


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_everything_a_page_of_the_documentation_loads_is_served_here(client: TestClient, page: str) -> None:
    html = client.get(page).text
    addresses = re.findall(r"""(?:src|href|url)\s*[=:]\s*['"]([^'"]+)['"]""", html)
    assert addresses
    for address in addresses:
        assert address.startswith("/"), f"{address} is another server's"
        assert client.get(address).status_code == 200, address
