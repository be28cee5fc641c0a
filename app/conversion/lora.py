"""LoRAs (every LyCORIS kind) worked into a checkpoint's tensors while they are written, as drawing with them would change them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from app.conversion.source import Source
from app.conversion.writer import Piece, numbers
from app.models.adapters import adapter_facts
from app.models.facts import CheckpointFacts
from app.models.forms import stored_names
from app.models.keys import Stored
from app.networks.adapters import DoesNotFit, change_of
from app.networks.adapters.names import part_of
from app.networks.adapters.parts import Parts
from app.networks.build import build_networks
from app.networks.layers import layer_aliases
from app.networks.weights import places, taken_of
from app.schema.errors import BadModelFile

T = TypeVar("T")

_BY_ROWS = frozenset({"lora_up", "hada_w1_a", "hada_w2_a", "diff", "w_norm", "b2"})
"""Parts whose first side is the layer's outputs: of these kinds any rows of a layer can be changed apart from the others."""
_SHARED_BY_ROWS = frozenset({"lora_down", "lora_mid", "alpha", "hada_w1_b", "hada_w2_b", "b1", "a1", "a2"})
_OF_BIAS = frozenset({"diff_b", "b_norm"})


@dataclass(frozen=True)
class AddedLora:
    """A LoRA's file and how strong it goes in."""

    path: Path
    strength: float


class _Open:
    """A LoRA whose file is open: its tensors' names by network, layer and part."""

    def __init__(self, source: Source, strength: float) -> None:
        self.source, self.strength = source, strength
        self.layers: dict[str, dict[str, dict[str, str]]] = {}
        for name in source.names:
            if (part := part_of(name)) is not None:
                self.layers.setdefault(part.network, {}).setdefault(part.layer, {})[part.part] = name
        if not self.layers:
            raise BadModelFile(f"{source.path.name} holds no LoRA that Darkroom knows.")


class _Added(NamedTuple):
    """What one LoRA has for one layer."""

    lora: _Open
    names: Mapping[str, str]
    """Part to the tensor's name in the LoRA's file."""

    def parts(self, *without: str) -> Parts:
        return {part: self.lora.source.get(name).clone() for part, name in self.names.items() if part not in without}


class _Place(NamedTuple):
    """Where a layer's weight or bias stands."""

    piece: Piece
    stored: Stored


class _Layer(NamedTuple):
    """A layer that LoRAs change."""

    added: tuple[_Added, ...]
    weight: _Place
    bias: _Place | None


Change = tuple[Stored, _Layer, bool]
"""Where in a tensor, which layer, and whether its bias is meant (else its weight)."""


def with_loras(pieces: Sequence[Piece], checkpoint: Source, loras: Sequence[tuple[Source, float]]) -> list[Piece]:
    """The pieces of a checkpoint with LoRAs in them, which are applied in their order; `checkpoint` has the names and sizes.

    Raises BadModelFile for a LoRA of another family, at once or, where only sizes tell, when the piece is made.
    """
    facts = _named(lambda _: checkpoint.facts, checkpoint.path)
    for source, _ in loras:
        _check_family(source.path, checkpoint.path, facts)
    networks = build_networks(facts)
    layers = _layers(layer_aliases(networks, facts), [_Open(*lora) for lora in loras], checkpoint)
    spots = places(networks, facts, stored_names(checkpoint.names))
    by_name = {piece.name: piece for piece in pieces}
    found: dict[tuple[str, str], _Place] = {}
    for name, parameters in spots.items():
        if name in by_name:
            found |= {(part, parameter): _Place(by_name[name], stored) for part, parameter, stored in parameters}
    changes: dict[str, list[Change]] = {}
    for (part, layer), added in layers.items():
        weight, bias = found.get((part, f"{layer}.weight")), found.get((part, f"{layer}.bias"))
        named = {part for each in added for part in each.names}
        if weight is None:  # left out of the new file
            continue
        whole = _Layer(tuple(added), weight, bias)
        if named - _OF_BIAS - {"alpha"}:
            changes.setdefault(weight.piece.name, []).append((weight.stored, whole, False))
        if bias is not None and named & _OF_BIAS:
            changes.setdefault(bias.piece.name, []).append((bias.stored, whole, True))
    return [_changed_piece(piece, changes[piece.name]) if piece.name in changes else piece for piece in pieces]


def _named(read: Callable[[Path], T], path: Path) -> T:
    """What a header tells; its faults are told without the file's name."""
    try:
        return read(path)
    except BadModelFile as error:
        raise BadModelFile(f"{path.name}: {error}") from error


def _check_family(lora: Path, checkpoint: Path, facts: CheckpointFacts) -> None:
    width = _named(adapter_facts, lora).context_width
    if width is not None and width != facts.denoiser.context_width:
        raise BadModelFile(
            f"{lora.name} does not fit {checkpoint.name}: it was made for models whose texts are {width} wide, "
            f"and those of this {facts.family_title} are {facts.denoiser.context_width}."
        )


def _layers(aliases: Mapping[str, Mapping[str, str]], loras: Sequence[_Open], checkpoint: Source) -> dict[tuple[str, str], list[_Added]]:
    """Network and layer to what each LoRA has for it."""
    found: dict[tuple[str, str], list[_Added]] = {}
    for lora in loras:
        met = 0
        for network, layers in lora.layers.items():
            for alias, names in layers.items():
                if (layer := aliases.get(network, {}).get(alias)) is not None:
                    found.setdefault((network, layer), []).append(_Added(lora, names))
                    met += 1
        if not met:
            raise BadModelFile(
                f"{lora.source.path.name} was made for another family of models: none of its layers is in {checkpoint.path.name}."
            )
    return found


def _changed_piece(piece: Piece, changes: Sequence[Change]) -> Piece:
    if len(changes) == 1 and _goes_by_rows(piece, *changes[0]):
        return Piece(piece.name, piece.dtype, piece.shape, partial(_by_rows, piece, changes[0][1]))
    return Piece(piece.name, piece.dtype, piece.shape, partial(_as_a_whole, piece, changes))


def _goes_by_rows(piece: Piece, stored: Stored, layer: _Layer, is_bias: bool) -> bool:
    if is_bias or stored.third is not None or stored.transposed or len(piece.shape) < 2:
        return False
    for lora, names in layer.added:
        if not names.keys() <= _BY_ROWS | _SHARED_BY_ROWS | _OF_BIAS:
            return False
        if any(lora.source.shape(name)[:1] != piece.shape[:1] for part, name in names.items() if part in _BY_ROWS):
            return False  # what does not fit is found, and told, where layers are taken as a whole
    return True


def _by_rows(piece: Piece, layer: _Layer) -> Iterator[Tensor]:
    """Memory does not grow with the layer."""
    changes, first = [(added, added.parts(*_OF_BIAS)) for added in layer.added], 0
    for rows in _rows(piece):
        span, made = slice(first, first + len(rows)), rows
        for added, parts in changes:
            own = {part: tensor[span] if part in _BY_ROWS else tensor for part, tensor in parts.items()}
            made, _ = _with(made, None, own, added, piece.name)
        yield made
        first = span.stop


def _rows(piece: Piece) -> Iterator[Tensor]:
    """A piece's numbers in float32, as many whole rows at a time as come together."""
    width, left = math.prod(piece.shape[1:]), torch.empty(0)
    for chunk in piece.chunks():
        flat = torch.cat([left, chunk.reshape(-1).float()])
        whole = len(flat) // width * width
        left = flat[whole:].clone()
        if whole:
            yield flat[:whole].reshape(-1, *piece.shape[1:])


def _as_a_whole(piece: Piece, changes: Sequence[Change]) -> Iterator[Tensor]:
    """For kinds whose change of a row depends on others, for biases, and where several layers stand in one tensor."""
    tensor = _read(piece)
    for stored, layer, is_bias in changes:
        part = taken_of(stored, tensor)
        weight = taken_of(layer.weight.stored, _read(layer.weight.piece)) if is_bias else part
        bias = part if is_bias else None
        for added in layer.added:
            weight, bias = _with(weight, bias, added.parts(*(() if is_bias else _OF_BIAS)), added, piece.name)
        part.copy_(bias if bias is not None else weight)
    yield from numbers(tensor)


def _read(piece: Piece) -> Tensor:
    """The whole piece in float32."""
    tensor, done = torch.empty(piece.shape), 0
    flat = tensor.view(-1)
    for chunk in piece.chunks():
        flat[done : done + chunk.numel()] = chunk.reshape(-1)
        done += chunk.numel()
    return tensor


def _with(weight: Tensor, bias: Tensor | None, parts: Parts, added: _Added, name: str) -> tuple[Tensor, Tensor | None]:
    """Weight and bias after one LoRA, which adds in the number format of its change (as in drawing), in float32."""
    lora = added.lora
    try:
        change = change_of(parts, weight, bias)
    except DoesNotFit as problem:
        raise BadModelFile(f"{lora.source.path.name} does not fit the checkpoint: {problem} at {name}.") from problem
    if change.weight is not None:
        weight = (weight.to(change.weight.dtype) + lora.strength * change.weight).float()
    if change.bias is not None and bias is not None:
        bias = (bias.to(change.bias.dtype) + lora.strength * change.bias).float()
    return weight, bias
