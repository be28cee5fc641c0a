"""How much memory checkpoints may take, from the settings and the machine."""

from collections.abc import Iterable
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor

from app.schema.settings import ServerSettings
from app.schema.sizes import bytes_of

SHARE_OF_HOST = 0.5
"""Of the host's memory that is free at the start, what checkpoints may take."""
SHARE_OF_DEVICE = 0.9
"""Of a card's memory that is free at the start, what Darkroom may take: drivers and fragments want the rest."""


@dataclass(frozen=True)
class Budgets:
    """In bytes."""

    device_bytes: int
    """On a card: all that Darkroom may take there. Without one: as `host_bytes`."""
    host_bytes: int
    """What checkpoints may take in host memory."""


def budgets_of(settings: ServerSettings, device: torch.device) -> Budgets:
    """What the settings say; else what is free now tells."""
    memory = psutil.virtual_memory()
    host = bytes_of(settings.ram_budget, memory.total) if settings.ram_budget else int(memory.available * SHARE_OF_HOST)
    if device.type != "cuda":
        return Budgets(host, host)
    free, total = torch.cuda.mem_get_info(device)
    return Budgets(bytes_of(settings.vram_budget, total) if settings.vram_budget else int(free * SHARE_OF_DEVICE), host)


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Memory that tensors take; what several of them share counts once."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())
