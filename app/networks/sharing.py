"""Weights that several checkpoints have in common (a VAE, a text encoder) are held once: found by comparing, not by trust in a hash."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from app.networks.build import Networks

PROBED = 8
"""Numbers compared before whole tensors are: different weights differ in the first few."""


class Twins:
    """The weights in memory that a file's may be equal to. Weights are never written in place, so sharing them is safe.

    A snapshot: what checkpoints exchange in their networks afterwards does not matter.
    """

    def __init__(self, others: Iterable[Networks] = ()) -> None:
        self._states: dict[str, list[Mapping[str, Tensor]]] = {}
        for networks in others:
            for part, module in networks.parts.items():
                self._states.setdefault(part, []).append({name: weight.data for name, weight in module.named_parameters()})

    def find(self, part: str, name: str, mapped: Tensor, like: Tensor, device: torch.device | None = None) -> Tensor | None:
        """A tensor in memory that holds what `mapped` would be in the shape and format of `like`, on its device or another one given.

        None if there is none.

        A network that differs in one tensor is another network; its later tensors are not looked at any more.
        """
        for state in list(self._states.get(part, ())):
            own = state.get(name)
            if own is not None and _alike(own, like, device or like.device) and _equal(own, mapped):
                return own
            self._states[part].remove(state)
        return None

    def share(self, part: str, module: nn.Module, device: torch.device) -> None:
        """Replaces a network's weights by their equals on `device`, where there are any."""
        for name, weight in module.named_parameters():
            own = self.find(part, name, weight.data, torch.empty(weight.shape, dtype=weight.dtype, device="meta"), device)
            if own is not None:
                weight.data = own


def _alike(own: Tensor, like: Tensor, device: torch.device) -> bool:
    return (own.shape, own.dtype, own.device) == (like.shape, like.dtype, device)


def _equal(own: Tensor, mapped: Tensor) -> bool:
    ours, theirs = own.flatten(), mapped.flatten()
    head = theirs[:PROBED].to(ours)
    return torch.equal(ours[:PROBED], head) and torch.equal(ours, theirs.to(ours))
