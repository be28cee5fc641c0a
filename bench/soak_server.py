"""The server of bench/soak.py: `python -m app.cli` with a network that now and then finds no memory."""

import sys
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.cli import main

EVERY = 60
"""Forwards of more than one row from one refusal to the next."""


def run_short_of_memory() -> None:
    """Patches the network of this process."""
    import torch

    from app.networks import Checkpoint

    real, forwards = Checkpoint.denoise, count(1)

    def denoise(self: Checkpoint, x: Any, *rest: Any) -> Any:
        if len(x) > 1 and next(forwards) % EVERY == 0:
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        return real(self, x, *rest)

    Checkpoint.denoise = denoise  # type: ignore[method-assign]


if __name__ == "__mp_main__":  # the engine's process
    run_short_of_memory()
elif __name__ == "__main__":
    sys.exit(main())
