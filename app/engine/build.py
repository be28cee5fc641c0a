"""Puts an engine loop together from the settings: device, number format, memory budget."""

import logging
import queue
from collections.abc import Callable

import torch

from app.engine.budgets import budgets_of
from app.engine.client import Event
from app.engine.executor import Executor
from app.engine.loop import EngineLoop
from app.engine.memory import MemoryModel
from app.engine.messages import Message
from app.engine.residency import Residency
from app.engine.shelf import Shelf
from app.engine.throughput import Throughput
from app.engine.waits import Waits, can_adapt
from app.models import Catalog
from app.networks.offload import Placement
from app.prompt import Tokenizer
from app.schema.errors import InvalidParams
from app.schema.settings import ServerSettings

log = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def pick_device(wanted: str | None) -> torch.device:
    """The device asked for, or CUDA where there is one. InvalidParams if it is not there."""
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InvalidParams(f"--device {wanted}: torch cannot use it here ({str(error).splitlines()[0]}).") from error
    return device


def pick_dtype(wanted: str | None, device: torch.device) -> str:
    """fp32 on a CPU, fp16 on CUDA unless told otherwise."""
    return wanted or ("fp16" if device.type == "cuda" else "fp32")


def build_loop(
    inbox: "queue.SimpleQueue[Message]",
    settings: ServerSettings,
    catalog: Catalog,
    tokenizer: Tokenizer,
    on_event: Callable[[Event], None],
) -> EngineLoop:
    """An engine that has loaded nothing yet."""
    device = pick_device(settings.device)
    dtype = pick_dtype(settings.dtype, device)
    torch.backends.cudnn.benchmark = False  # picks kernels by timing: the same job would give other bits on another day
    torch.backends.cudnn.deterministic = True
    one_memory = device.type == "cpu"
    residency = Residency(
        catalog,
        device,
        DTYPES[dtype],
        budgets_of(settings, device),
        host=None if one_memory else torch.device("cpu"),
        at_most=Placement.STREAM if settings.lowvram else Placement.PARTS if settings.medvram else Placement.WHOLE,
    )
    executor = Executor(
        device,
        settings.max_rows,
        memory=MemoryModel(DTYPES[dtype].itemsize, in_bands=one_memory),
        throughput=Throughput(settings.data_dir / "cache" / "throughput.json"),
    )
    log.info("engine on %s in %s", device, dtype)
    shelf = Shelf(catalog, tokenizer, device, DTYPES[dtype])
    waits = Waits() if device.type == "cpu" and can_adapt() else None
    return EngineLoop(inbox, residency, shelf, executor, tokenizer, dtype, on_event, waits)
