"""The API over real jobs, options and catalogue in a temporary folder; only the engine is a small one that paints flat pictures."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from app.api import Services, install_api
from app.downloads import Downloads, Sites
from app.gallery import Gallery, Thumbnails
from app.jobs import Jobs, OptionsStore, SavedCopies
from app.model_jobs import ModelJobs
from app.models import EMBEDDED, Catalog
from app.models.library import Library
from app.prompt import Styles, Tokenizer
from app.schema.settings import ServerSettings
from app.server import model_shelf, note_used, resolver
from tests.support.paths import DATA, ROOT
from tests.unit.jobs.conftest import FlatEngine, wait_for

EXAMPLES = DATA / "sdapi"
CASES = EXAMPLES / "parity"
URL = "http://127.0.0.1:3000"
SMALL = {"prompt": "a red house", "seed": 1, "steps": 3, "width": 64, "height": 64, "sampler_name": "Euler"}


def example(name: str) -> dict[str, Any]:
    """One request and answer of A1111."""
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def picture(size: tuple[int, int] = (64, 64), color: str = "#3060c0") -> str:
    """A PNG in base64."""
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


class World:
    """A server's parts, and clients of the application that is built over them."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, **settings: Any) -> None:
        checkpoints = folder / "data" / "models" / "Stable-diffusion"  # as in a plain installation, the user's own are there too
        self.settings = ServerSettings(data_dir=folder / "data", **{"embedded_dir": checkpoints, **settings})
        checkpoints.mkdir(parents=True)
        for kind in ("safetensors", "yaml"):
            (checkpoints / f"{EMBEDDED}.{kind}").symlink_to(ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.{kind}")
        self.engine, self.catalog = FlatEngine(), Catalog(self.settings)
        self.library = Library(self.catalog, self.settings.data_dir / "models.sqlite3")
        self.options = OptionsStore(self.settings.data_dir / "config.json")
        self.downloads = Downloads(self.settings, Sites(civitai="http://127.0.0.1:9", hugging_face="http://127.0.0.1:9"))
        self.gallery = Gallery(self.settings.data_dir, self.settings.outputs)
        resolve = resolver(self.catalog, self.options, self.library)
        self.jobs = Jobs(
            self.settings,
            self.engine,
            self.options,
            resolve=resolve,
            on_saved=self.gallery.saved,
            on_started=partial(note_used, self.library),
        )
        self.library.on_news(self.jobs.announce_models)
        self.model_jobs = ModelJobs(model_shelf(self.settings, self.catalog, self.library, self.options, self.jobs))
        self.tokenizer, self.patience_s = tokenizer, 15.0
        self.extra: Callable[[FastAPI], None] = lambda app: None

    def services(self) -> Services:
        return Services(
            settings=self.settings,
            jobs=self.jobs,
            inputs=self.jobs.inputs,
            copies=SavedCopies(self.settings.data_dir / "log" / "images"),
            options=self.options,
            catalog=self.catalog,
            library=self.library,
            previews=Thumbnails(self.settings.data_dir / "cache" / "model-previews"),
            downloads=self.downloads,
            model_jobs=self.model_jobs,
            gallery=self.gallery,
            styles=Styles(self.settings.data_dir / "styles.csv"),
            tokenizer=self.tokenizer,
            engine=self.engine,
            version="0.0",
            patience_s=self.patience_s,
        )

    def app(self) -> FastAPI:
        app = FastAPI()
        install_api(app, self.services())
        self.extra(app)
        return app

    def client(self, **headers: str) -> TestClient:
        return TestClient(self.app(), base_url=URL, headers=headers, raise_server_exceptions=False)

    def close(self) -> None:
        self.engine.free = True
        self.model_jobs.close()
        self.downloads.close()
        self.jobs.close()
        self.gallery.close()
        self.library.close()
        self.catalog.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application behind a real server on a port of its own; its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer()


@pytest.fixture
def build(tmp_path: Path, tokenizer: Tokenizer) -> Iterator[Callable[..., World]]:
    """Makes a world with the given settings."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World(tmp_path / str(len(made)), tokenizer, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(build: Callable[..., World]) -> World:
    return build()


@pytest.fixture
def client(world: World) -> TestClient:
    return world.client()
