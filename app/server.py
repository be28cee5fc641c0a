"""The one place where parts are put together and given life: catalogue, options, engine, jobs, API, page."""

import asyncio
import contextlib
import logging
import os
import re
import secrets
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app import __version__
from app.schema.errors import BadModelFile, DarkroomError, UnknownName
from app.schema.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from app.downloads import Limits, Sites
    from app.engine.client import EngineClient
    from app.jobs import Jobs, OptionsStore
    from app.metadata.styles import Style
    from app.model_jobs import Shelf
    from app.models import Catalog, ModelFile
    from app.models.folders import Kind
    from app.models.library import Library
    from app.prompt import Styles
    from app.schema.params import GenerationParams

log = logging.getLogger(__name__)

_MOST_JOBS = 100_000
STATIC = Path(__file__).parent.parent / "static"


class ServerNotStarted(DarkroomError):
    """Port taken, address not ours, folder not writable: one sentence for the terminal."""

    code = "not_started"


def checkpoint_for(catalog: "Catalog", preferred: str, wanted: str = "") -> "ModelFile":
    """The checkpoint a job asks for; without a wish the preferred one (the options'). UnknownName when there is none."""
    from app.models import chosen_checkpoint

    chosen = catalog.find(wanted) if wanted else chosen_checkpoint(catalog, preferred)
    if chosen is None:
        raise UnknownName("checkpoint", "(any)", [])
    return chosen


def with_known_names(params: "GenerationParams") -> "GenerationParams":
    """The same with the sampler's and the scheduler's proper names; UnknownName says which one does not exist."""
    from app.schema.samplers import find_sampler, find_scheduler

    sampler, suffix = find_sampler(params.sampler)
    scheduler = suffix or find_scheduler(params.scheduler)
    known: dict[str, object] = {"sampler": sampler.name, "scheduler": scheduler.label}
    if params.has_hires:
        known |= _hires_names(params)
    return params.model_copy(update=known)


def _hires_names(params: "GenerationParams") -> dict[str, object]:
    """The hires pass's names, which are empty where they are the first pass's; and its sizes as they are counted now."""
    from app.schema.hires import old_first_pass_size
    from app.schema.samplers import find_sampler, find_scheduler
    from app.schema.upscalers import find_hires_upscaler

    find_hires_upscaler(params.hr_upscaler)
    sampler, suffix = find_sampler(params.hr_sampler) if params.hr_sampler else (None, None)
    scheduler = suffix or (find_scheduler(params.hr_scheduler) if params.hr_scheduler else None)
    known: dict[str, object] = {"hr_sampler": sampler.name if sampler else "", "hr_scheduler": scheduler.label if scheduler else ""}
    if params.use_old_hires_fix_width_height:
        width, height = old_first_pass_size(params.width, params.height)
        known |= {"use_old_hires_fix_width_height": False, "hr_resize_x": params.width, "hr_resize_y": params.height}
        known |= {"width": width, "height": height}
    return known


def _usable(file: "ModelFile") -> str:
    """The checkpoint's file name; BadModelFile at once where it is known that it cannot be loaded."""
    if file.problem is not None:
        raise BadModelFile(f"{file.filename}: {file.problem}")
    return file.filename


def with_known_checkpoints(catalog: "Catalog", preferred: str, params: "GenerationParams") -> "GenerationParams":
    """The same with the file names of its checkpoints, also those of the refiner, the hires pass and the text encoder.

    UnknownName for one that is not here, BadModelFile for one that cannot be loaded.
    """
    from app.models import text_encoder_named

    named = {"checkpoint": _usable(checkpoint_for(catalog, preferred, params.checkpoint))}
    if params.refiner_checkpoint:
        named["refiner_checkpoint"] = _usable(catalog.find(params.refiner_checkpoint))
    if params.has_hires and params.hr_checkpoint:
        named["hr_checkpoint"] = _usable(catalog.find(params.hr_checkpoint))
    named["text_encoder"] = text_encoder_named(catalog, params.text_encoder)
    return params.model_copy(update=named)


def with_chosen_networks(params: "GenerationParams", catalog: "Catalog") -> "GenerationParams":
    """The same with the tags of the hypernetwork and the LoRA that the options add to each prompt, unless they stand there."""
    from app.prompt import cut_tags

    kinds: tuple[tuple[str, Literal["lora", "hypernetwork"], str], ...] = (
        ("hypernet", "hypernetwork", params.extra_hypernetwork),
        ("lora", "lora", params.extra_lora),
    )
    named = {(tag.kind, tag.values[0]) for tag in cut_tags(params.prompt)[1]}
    added = [
        f"<{tag}:{name}:{params.extra_networks_default_multiplier}>"
        for tag, kind, name in kinds
        if (tag, name) not in named and catalog.book.adapter(kind, name) is not None
    ]
    return params.model_copy(update={"prompt": params.prompt + "".join(added)}) if not params.disable_extra_networks else params


def with_preferred_vae(params: "GenerationParams", catalog: "Catalog", library: "Library") -> "GenerationParams":
    """The same with the VAE that somebody prefers for the checkpoint, unless a chosen one goes before; one that is gone is passed over."""
    preferred = library.get("checkpoint", params.checkpoint).mark.preferred_vae
    chosen = params.vae_wins and params.vae != "Automatic"
    if chosen or not preferred or all(file.filename != preferred for file in catalog.of_kind("vae")):
        return params
    return params.model_copy(update={"vae": preferred, "vae_wins": True})


def resolver(
    catalog: "Catalog", options: "OptionsStore", library: "Library | None" = None
) -> "Callable[[GenerationParams], GenerationParams]":
    """The function that makes a job's params final: names that exist, a checkpoint that is there, with its VAE."""

    def resolve(params: "GenerationParams") -> "GenerationParams":
        final = with_chosen_networks(with_known_names(params), catalog)
        final = with_known_checkpoints(catalog, str(options.get("sd_model_checkpoint") or ""), final)
        return with_preferred_vae(final, catalog, library) if library is not None else final

    return resolve


def note_used(library: "Library", params: "GenerationParams") -> None:
    """Notes which model files a job uses that is beginning."""
    from app.prompt import cut_tags

    texts = (params.prompt, params.hr_prompt)
    kinds: Mapping[str, Kind] = {"lora": "lora", "lyco": "lora", "hypernet": "hypernetwork"}
    tags = [tag for text in texts for tag in cut_tags(text)[1]] if not params.disable_extra_networks else []
    checkpoints = (params.checkpoint, params.refiner_checkpoint, params.hr_checkpoint)
    names: list[tuple[Kind, str]] = [("checkpoint", name) for name in checkpoints if name]
    names += [(kinds[tag.kind], tag.values[0]) for tag in tags if tag.kind in kinds]
    if params.vae:
        names.append(("vae", params.vae))
    library.used(names, "\n".join((*texts, params.negative_prompt, params.hr_negative_prompt)))


def known_styles(styles: "Styles") -> "Sequence[Style]":
    """The styles there are; none where their file cannot be read, which whoever uses one is told."""
    try:
        return styles.list()
    except DarkroomError:
        return ()


def limit_models(engine: "EngineClient", options: "OptionsStore") -> None:
    """Tells the engine A1111's limits. Its default, one checkpoint, stands for as many as memory has room for."""
    most = int(options.view().number("sd_checkpoints_limit"))
    limited = most > 1
    engine.limit(most if limited else 0, one_on_device=limited and options.view().switch("sd_checkpoints_keep_in_cpu"))


def jobs_naming(jobs: "Jobs", file: "ModelFile") -> int:
    """How many jobs that wait or run name a model file, which they would not find under another name."""
    from app.jobs import LIVE
    from app.prompt import cut_tags

    def names(params: "GenerationParams") -> bool:
        if file.kind == "checkpoint":
            return file.filename in (params.checkpoint, params.refiner_checkpoint, params.hr_checkpoint)
        if file.kind == "vae":
            return params.vae in (file.path.name, file.filename)
        texts = (params.prompt, params.hr_prompt)
        if file.kind in ("lora", "hypernetwork"):
            tag = "lora" if file.kind == "lora" else "hypernet"
            return any(found.kind == tag and found.values[:1] == (file.name,) for text in texts for found in cut_tags(text)[1])
        word = re.compile(rf"(?<!\w){re.escape(file.name)}(?!\w)", re.IGNORECASE)
        return file.kind == "embedding" and any(map(word.search, (*texts, params.negative_prompt, params.hr_negative_prompt)))

    return sum(names(view.params) for view in jobs.list(states=LIVE, limit=_MOST_JOBS))


def follow_model(
    options: "OptionsStore", library: "Library", catalog: "Catalog", kind: "Kind", before: Path, now: Path, filename: str
) -> None:
    """What is said of a file goes with it, and the chosen checkpoint or VAE stays chosen; `filename` is below the folder of its kind."""
    library.marks.moved(before, now)
    chosen = str(options.get("sd_model_checkpoint") or "")
    with contextlib.suppress(UnknownName):
        if kind == "checkpoint" and chosen and catalog.find(chosen).path == before:
            options.set_many({"sd_model_checkpoint": filename})
    if kind == "vae" and options.get("sd_vae") == before.name:
        options.set_many({"sd_vae": now.name})


def model_shelf(settings: ServerSettings, catalog: "Catalog", library: "Library", options: "OptionsStore", jobs: "Jobs") -> "Shelf":
    """What model jobs know of the rest: which files are wanted, and who is told of their new names."""
    from app.model_jobs import Shelf

    moved = partial(follow_model, options, library, catalog)
    return Shelf(settings=settings, catalog=catalog, wanted_by=partial(jobs_naming, jobs), on_moved=moved)


class Server:
    """Everything that has a life, made in order and ended in reverse."""

    def __init__(self, settings: ServerSettings, *, sites: "Sites | None" = None, limits: "Limits | None" = None) -> None:
        """`sites` and `limits`: where models are downloaded from, and how; the two that everybody uses unless told otherwise."""
        from app.api import Services
        from app.downloads import Downloads, Sites
        from app.engine.choice import make_engine
        from app.gallery import Gallery, Thumbnails
        from app.jobs import Jobs, OptionsStore, SavedCopies
        from app.model_jobs import ModelJobs
        from app.models import Catalog, make_folders
        from app.models.library import Library
        from app.prompt import Styles, Tokenizer

        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        make_folders(settings)
        self.catalog = Catalog(settings)
        self.library = Library(self.catalog, settings.data_dir / "models.sqlite3")
        self.options = OptionsStore(settings.data_dir / "config.json")
        tokenizer = Tokenizer()
        self.engine = make_engine(settings, self.catalog, tokenizer)
        self.options.on_change(partial(limit_models, self.engine, self.options))
        limit_models(self.engine, self.options)
        sites = sites or Sites(civitai_token=settings.civitai_token, hugging_face_token=settings.hf_token or os.environ.get("HF_TOKEN"))
        self.downloads = Downloads(settings, sites, limits=limits, on_landed=lambda _: self.catalog.refresh())
        self.styles = Styles(settings.styles_file or settings.data_dir / "styles.csv")
        self.gallery = Gallery(settings.data_dir, settings.outputs)
        self.jobs = Jobs(
            settings,
            self.engine,
            self.options,
            resolve=resolver(self.catalog, self.options, self.library),
            styles=partial(known_styles, self.styles),
            on_saved=self.gallery.saved,
            on_started=partial(note_used, self.library),
        )
        self.library.on_news(self.jobs.announce_models)
        self.model_jobs = ModelJobs(model_shelf(settings, self.catalog, self.library, self.options, self.jobs))
        self.services = Services(
            settings=settings,
            jobs=self.jobs,
            inputs=self.jobs.inputs,
            copies=SavedCopies(settings.data_dir / "log" / "images"),
            options=self.options,
            catalog=self.catalog,
            library=self.library,
            previews=Thumbnails(settings.data_dir / "cache" / "model-previews"),
            downloads=self.downloads,
            model_jobs=self.model_jobs,
            gallery=self.gallery,
            styles=self.styles,
            tokenizer=tokenizer,
            engine=self.engine,
            version=__version__,
        )

    def app(self) -> "FastAPI":
        """The web application: API, static files, page."""
        from fastapi_offline import FastAPIOffline

        from app.api import install_api

        # FastAPI's own /docs takes its scripts from a public server; these come with the package.
        app = FastAPIOffline(title="Darkroom", version=__version__, static_url="/docs/static")
        install_api(app, self.services)
        if not self.settings.nowebui:
            self._add_page(app)
        return app

    def _add_page(self, app: "FastAPI") -> None:
        # Gradio reads it when it takes a file in: what people drop on the page stays in the data folder.
        os.environ.setdefault("GRADIO_TEMP_DIR", str(self.settings.data_dir / "cache" / "gradio"))
        from app.api import client_of, user_of
        from app.ui import STATIC_PATH, PageFiles, PageParts, mount_page

        parts = PageParts(
            settings=self.settings,
            jobs=self.jobs,
            options=self.options,
            catalog=self.catalog,
            styles=self.services.styles,
            client_of=client_of,
            user_of=user_of,
            version=__version__,
        )
        app.mount(f"/{STATIC_PATH}", PageFiles(directory=STATIC))
        mount_page(app, parts)

    def start(self) -> None:
        """Loads the first checkpoint ahead (for which the engine imports torch) and hashes files in the background."""
        with contextlib.suppress(UnknownName):
            self.engine.load(checkpoint_for(self.catalog, str(self.options.get("sd_model_checkpoint") or "")).filename)
        self.catalog.start_background_hashing()
        self.library.start()
        self.gallery.start()
        self.downloads.start()
        self.model_jobs.start()

    def close(self) -> None:
        """Ends everything; running jobs are told why."""
        self.downloads.close()
        self.model_jobs.close()
        self.library.close()
        self.catalog.stop_background_hashing()
        self.jobs.close()
        self.gallery.close()


class Front:
    """The outermost ASGI application. It answers /healthz at once and holds other requests until the rest has been built."""

    def __init__(self, settings: ServerSettings, make: Callable[[ServerSettings], Server] = Server) -> None:
        self._settings, self._make = settings, make
        self._prefix = "/" + settings.subpath.strip("/") if settings.subpath.strip("/") else ""
        self._ready: asyncio.Future[ASGIApp] | None = None
        self._stopping: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self.failure: ServerNotStarted | None = None
        """Why nothing could be built."""
        self.on_failure: Callable[[], None] = lambda: None
        """Called then: a server that can answer nothing should end."""

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Routes by scope type and path."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if self._prefix:
            path = scope["path"] if scope["path"].startswith(self._prefix + "/") else self._prefix + scope["path"]
            scope = {**scope, "root_path": self._prefix, "path": path}
        if scope["type"] == "http" and scope["path"].removeprefix(self._prefix) == "/healthz":
            await _answer(send, 200, b'{"status":"ok"}', b"application/json")
            return
        assert self._ready is not None  # the lifespan has begun before any request
        try:
            app = await asyncio.shield(self._ready)
        except DarkroomError as error:
            await _answer(send, 503, str(error).encode(), b"text/plain; charset=utf-8")
            return
        await app(scope, receive, send)

    async def _lifespan(self, receive: "Receive", send: "Send") -> None:
        self._ready = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        await receive()
        self._task = asyncio.create_task(self._live())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._stopping.set()
        await self._task
        await send({"type": "lifespan.shutdown.complete"})

    async def _live(self) -> None:
        assert self._ready is not None and self._stopping is not None
        try:
            async with built(self._settings, self._make) as app:
                self._ready.set_result(app)
                await self._stopping.wait()
        except Exception as error:
            known = isinstance(error, DarkroomError)
            log.error("the server could not be built: %s", error, exc_info=None if known else error)
            if not self._ready.done():
                self.failure = ServerNotStarted(f"Darkroom could not start: {error}")
                self._ready.set_exception(self.failure)
                self._ready.exception()  # seen: nobody may be waiting
                self.on_failure()


@contextlib.asynccontextmanager
async def built(settings: ServerSettings, make: Callable[[ServerSettings], Server] = Server) -> AsyncIterator["ASGIApp"]:
    """The whole application, alive between entry and exit."""
    server, app = await asyncio.to_thread(_build, settings, make)
    try:
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(server.start)
            yield app
    finally:
        await asyncio.to_thread(server.close)


def _build(settings: ServerSettings, make: Callable[[ServerSettings], Server]) -> tuple[Server, "FastAPI"]:
    server = make(settings)
    return server, server.app()


async def _answer(send: "Send", status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def listening_socket(settings: ServerSettings) -> socket.socket:
    """Bound and ready; ServerNotStarted with one sentence when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise ServerNotStarted(
            f"Port {settings.port} on {settings.host} cannot be used ({error.strerror}): another program has it, perhaps another "
            f"Darkroom. Choose another with --port."
        ) from error
    return bound


def check_settings(settings: ServerSettings) -> None:
    """ServerNotStarted or InvalidParams for a data folder that cannot be written, or credentials that are none."""
    from app.api.auth import Doors

    Doors.of(settings.gradio_auth, settings.api_auth)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir):
            pass
    except OSError as error:
        raise ServerNotStarted(
            f"The data folder {settings.data_dir} cannot be used ({error.strerror}). Choose another with --data-dir."
        ) from error


def with_credentials(settings: ServerSettings) -> ServerSettings:
    """On a public address nobody is let in without a password: one is made and printed where none was given."""
    if not settings.public or settings.gradio_auth:
        return settings
    password = secrets.token_urlsafe(12)
    print(f"No --gradio-auth given for a public address: user darkroom, password {password}", flush=True)
    return settings.model_copy(update={"gradio_auth": f"darkroom:{password}"})


def serve(settings: ServerSettings) -> int:
    """Serves until Ctrl+C; the exit status of the program."""
    import uvicorn

    check_settings(settings)
    bound = listening_socket(settings)
    settings = with_credentials(settings)
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    url = f"http://{shown}:{bound.getsockname()[1]}/{settings.subpath.strip('/')}"
    print(f"Darkroom {__version__}: {url}  (Ctrl+C stops it)", flush=True)
    if settings.autolaunch:
        threading.Timer(1.0, webbrowser.open, (url,)).start()
    front = Front(settings)
    config = uvicorn.Config(front, log_level="warning", access_log=False, lifespan="on", timeout_graceful_shutdown=3, proxy_headers=False)
    server = uvicorn.Server(config)
    front.on_failure = lambda: setattr(server, "should_exit", True)
    server.run(sockets=[bound])
    if front.failure is not None:
        raise front.failure
    return 0
