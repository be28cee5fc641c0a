"""Which engine stands behind the door: a process of its own where CUDA is, else a thread. Decided without torch."""

from importlib.metadata import PackageNotFoundError, version

import pynvml

from app.engine.client import EngineClient
from app.engine.process import ProcessEngine
from app.engine.thread import ThreadEngine
from app.models import Catalog
from app.prompt import Tokenizer
from app.schema.settings import ServerSettings


def make_engine(settings: ServerSettings, catalog: Catalog, tokenizer: Tokenizer) -> EngineClient:
    """The engine that the settings ask for, not started."""
    if runs_in_process(settings):
        return ProcessEngine(settings, catalog)
    return ThreadEngine(settings, catalog, tokenizer)


def runs_in_process(settings: ServerSettings) -> bool:
    """As `--engine` says; without it, whether the work will be done by CUDA, whose faults end the process that they happen in."""
    if settings.engine is not None:
        return settings.engine == "process"
    if settings.device is not None:
        return settings.device.startswith("cuda")
    return _torch_is_for_cuda() and _has_card()


def _torch_is_for_cuda() -> bool:
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def _has_card() -> bool:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    try:
        return int(pynvml.nvmlDeviceGetCount()) > 0
    finally:
        pynvml.nvmlShutdown()
