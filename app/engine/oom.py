"""What running out of memory looks like, and trying again once something has been freed."""

from collections.abc import Callable
from typing import TypeVar

import torch

from app.schema.errors import TooLarge

T = TypeVar("T")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: CUDA and Python have classes for it, the CPU allocator only its words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in ("not enough memory", "can't allocate memory"))


def trying_again(work: Callable[[], T], free: Callable[[], None], failure: str) -> T:
    """What `work` gives; where memory runs out, `free` and once more. TooLarge with the sentence `failure` where that does not help."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    # Out here the error is gone, and with its traceback what the failed attempt held.
    free()
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise TooLarge(failure) from error
