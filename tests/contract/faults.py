"""Faults of the card, put into whatever process the engine runs in: a loop's builder that patches the network first. Imports no torch."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

SMALL_CARD_ROWS = 2


def deadly(real: Callable[..., Any], network: Any, x: Any, *rest: Any) -> Any:
    """By the width of the latents: 10 lets only two rows into memory, 16 ends the process, 24 never ends."""
    import torch

    width = x.shape[-1]
    if width == 10 and len(x) > SMALL_CARD_ROWS:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is")
    if width == 16:
        os.kill(os.getpid(), signal.SIGSEGV)
    while width == 24:
        time.sleep(0.1)
    return real(network, x, *rest)


def build_with(fault: Callable[..., Any], *parts: Any) -> Any:
    """`build_loop` on a network with that fault."""
    from app.engine.build import build_loop
    from app.networks import Checkpoint

    real = Checkpoint.denoise
    Checkpoint.denoise = lambda network, *rest: fault(real, network, *rest)  # type: ignore[method-assign, assignment]
    return build_loop(*parts)
