"""Seamless pictures: convolutions that go on at the opposite edge, for as long as one forward lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def circular(module: nn.Module, on: bool) -> Iterator[None]:
    """Inside, every convolution of the module pads with what stands at the opposite edge and not with zeros; nothing if not `on`."""
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)] if on else []
    for convolution in convolutions:
        convolution.padding_mode = "circular"
    try:
        yield
    finally:
        for convolution in convolutions:
            convolution.padding_mode = "zeros"
