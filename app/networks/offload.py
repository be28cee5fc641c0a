"""Low-memory modes: weights live in host memory and visit the device while they are at work.

`Placement` says how much of a checkpoint is on the device at once: all of it, the network that is at work (A1111's --medvram), or
of the denoiser only the layer that is at work (--lowvram). Weights go by their parameters, so adapters that exchange these act as ever.
"""

from collections.abc import Mapping
from enum import StrEnum

import torch
from torch import Tensor, nn


class Placement(StrEnum):
    """How much of a checkpoint is on the device at once."""

    WHOLE = "whole"
    PARTS = "parts"
    STREAM = "stream"


class Visits:
    """Takes a checkpoint's networks to the device one at a time; those in `streamed` layer by layer, while they run."""

    def __init__(self, parts: Mapping[str, nn.Module], device: torch.device, streamed: frozenset[str] = frozenset()) -> None:
        self._parts, self._device, self._streamed = parts, device, streamed
        self._visiting: dict[nn.Parameter, Tensor] = {}
        """Weights on the device, and where each of them lives."""
        self._here = ""
        self._hooks = [hook for part in streamed for hook in self._stream(parts[part])]
        self.peak_bytes = 0
        """The most that was on the device at once."""

    def need(self, part: str) -> None:
        """Makes a network ready to run; the others leave."""
        if self._here != part:
            self._leave(list(self._visiting))
            self._here = part
        if part not in self._streamed:
            self._enter([weight for weight in self._parts[part].parameters() if weight not in self._visiting])
        for buffer in self._parts[part].buffers():  # row numbers and the like: some hundred bytes, which stay
            buffer.data = buffer.data.to(self._device)

    def leave(self) -> None:
        """All weights are where they live, until a network is needed again."""
        self._leave(list(self._visiting))
        self._here = ""

    def end(self) -> None:
        """All weights are where they live, and networks run as usual."""
        self.leave()
        for hook in self._hooks:
            hook.remove()

    def _stream(self, network: nn.Module) -> "list[torch.utils.hooks.RemovableHandle]":
        hooks = []
        for layer in network.modules():
            if any(True for _ in layer.parameters(recurse=False)):
                hooks.append(layer.register_forward_pre_hook(lambda module, _: self._enter(list(module.parameters(recurse=False)))))
                hooks.append(layer.register_forward_hook(lambda module, _, __: self._leave(list(module.parameters(recurse=False)))))
        return hooks

    def _enter(self, weights: list[nn.Parameter]) -> None:
        for weight in weights:
            self._visiting[weight] = weight.data
            weight.data = weight.data.to(self._device, non_blocking=True, copy=True)
        self.peak_bytes = max(self.peak_bytes, sum(weight.nbytes for weight in self._visiting))

    def _leave(self, weights: list[nn.Parameter]) -> None:
        for weight in weights:
            home = self._visiting.pop(weight, None)
            if home is not None:
                weight.data = home
