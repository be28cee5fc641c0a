"""Hypernetworks: small networks in front of the keys and values of every attention (NovelAI, 2022)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from app.networks.tensors import unpickled
from app.schema.errors import BadModelFile

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "linear": nn.Identity, "relu": nn.ReLU, "leakyrelu": nn.LeakyReLU, "elu": nn.ELU, "swish": nn.Hardswish, "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish, "softsign": nn.Softsign, "softplus": nn.Softplus,
}  # fmt: skip
"""By the names that files use; "swish" is torch's Hardswish there."""


@dataclass(frozen=True, eq=False)
class Hypernetwork:
    """By width of what goes into an attention: a network for its keys and one for its values."""

    name: str
    pairs: Mapping[int, tuple[nn.Module, nn.Module]]


def read_hypernetwork(path: Path) -> Hypernetwork:
    """The file's networks in float32; BadModelFile where it is damaged, asks for code, or is no hypernetwork."""
    content = unpickled(path)
    if not isinstance(content, dict):
        raise BadModelFile(f"{path.name} holds no hypernetwork.")
    pairs = {}
    for width, pair in content.items():
        if isinstance(width, int) and isinstance(pair, list | tuple) and len(pair) >= 2:
            pairs[width] = (_network(path, content, pair[0]), _network(path, content, pair[1]))
    if not pairs:
        raise BadModelFile(f"{path.name} holds no hypernetwork.")
    return Hypernetwork(path.name, pairs)


def _network(path: Path, about: Mapping[Any, Any], state: object) -> nn.Module:
    """Layers in the order of their numbers; between linear ones come the activation and, in training only, dropout."""
    if not isinstance(state, dict):
        raise BadModelFile(f"{path.name} holds no hypernetwork.")
    state = {_modern(name): value for name, value in state.items() if isinstance(value, Tensor)}
    numbers = sorted({int(name.split(".")[1]) for name in state})
    linear = [number for number in numbers if state[f"linear.{number}.weight"].dim() == 2]
    activation = _ACTIVATIONS.get(str(about.get("activation_func") or "linear"))
    if activation is None:
        raise BadModelFile(f"{path.name} uses the activation {str(about.get('activation_func'))[:40]!r}, which Darkroom does not know.")
    layers: list[nn.Module] = []
    for number in numbers:
        weight, bias = state[f"linear.{number}.weight"].float(), state[f"linear.{number}.bias"].float()
        layer = nn.Linear(weight.shape[1], weight.shape[0]) if weight.dim() == 2 else nn.LayerNorm(weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers.append(layer)
        if number in linear and (number != linear[-1] or about.get("activate_output")):
            layers.append(activation())
    return nn.Sequential(*layers).eval().requires_grad_(False)


def _modern(name: str) -> str:
    """The first files called their two layers linear1 and linear2."""
    return {"linear1": "linear.0", "linear2": "linear.1"}.get(name.partition(".")[0], name.partition(".")[0]) + "." + name.partition(".")[2]


class Hypernetworks:
    """Hypernetworks in a denoiser, put in front of the layers that make keys and values and taken away again."""

    def __init__(self, denoiser: nn.Module) -> None:
        self._denoiser = denoiser
        self._hooks: list[RemovableHandle] = []
        self._key: tuple[object, ...] = ()

    def use(self, wanted: Sequence[tuple[Hypernetwork, float]]) -> None:
        """Puts in just these, each with its strength, in their order: x + strength * network(x), the next one on the result."""
        key = tuple((id(network), strength) for network, strength in wanted)
        if key == self._key:
            return
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._key = [], key
        for name, layer in self._denoiser.named_modules():
            place = ("to_k", "to_v").index(end) if (end := name.rpartition(".")[2]) in ("to_k", "to_v") else None
            chain = [] if place is None else self._chain(place, layer, wanted)
            if chain:
                self._hooks.append(layer.register_forward_pre_hook(_hook(chain)))

    @staticmethod
    def _chain(place: int, layer: nn.Module, wanted: Sequence[tuple[Hypernetwork, float]]) -> list[tuple[nn.Module, float]]:
        width = int(layer.get_parameter("weight").shape[1])
        return [(network.pairs[width][place], strength) for network, strength in wanted if width in network.pairs]


def _hook(chain: Sequence[tuple[nn.Module, float]]) -> Any:
    def change(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0]
        for network, strength in chain:
            network.to(x.device)
            x = x + (strength * network(x.float())).to(x.dtype)
        return (x, *inputs[1:])

    return torch.no_grad()(change)
