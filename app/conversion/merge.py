"""Checkpoints mixed tensor by tensor: A1111's weighted sum and added difference, with a weight a block if wanted, and LoRAs in them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor

from app.conversion.convert import VAE, baked, metadata_of, needed, piece_of, recipe_text, written_as
from app.conversion.lineage import MODELS, RECIPE, lineage
from app.conversion.lora import AddedLora, with_loras
from app.conversion.source import Source
from app.conversion.writer import OnProgress, Piece, numbers, write_safetensors
from app.schema.block_weights import BlockWeights
from app.schema.conversion import Method, NumberFormat
from app.schema.errors import BadModelFile, InvalidParams
from app.schema.name_pattern import found_by

FIRST_LAYER = "model.diffusion_model.input_blocks.0.0.weight"
POSITIONS = "position_ids"
"""Whole numbers 0, 1, 2 ... that old checkpoints carry; there is nothing to mix."""


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What is to be mixed, and how."""

    primary: Path
    target: Path
    secondary: Path | None = None
    tertiary: Path | None = None
    method: Method = "Weighted sum"
    weights: BlockWeights = field(default_factory=lambda: BlockWeights(0.3))
    """M: how much of the second (or of its difference from the third) goes in."""
    numbers: NumberFormat | None = None
    """None: as in the first file."""
    vae: Path | None = None
    """A VAE's file that takes the place of the mixed one."""
    discard: str = ""
    """Tensors whose names this pattern (a regular expression) finds are left out."""
    loras: tuple[AddedLora, ...] = ()
    """They go into the mixture, in this order."""
    recipe: bool = True
    """Whether the new file says what it was made of."""
    sha256s: Mapping[Path, str] = field(default_factory=dict)
    """Of the files, as far as they are known: the recipe names them."""
    replace: bool = False


def merge(wanted: Merge, on_progress: OnProgress | None = None) -> list[str]:
    """Writes the mixture; its metadata say what it was made of (`sd_merge_recipe`, `sd_merge_models`).

    Gives the names of tensors that are not finite in it.

    Raises InvalidParams where files are missing for the method, BadModelFile for files that do not fit each other, CannotWrite where
    the disk does not take the result.
    """
    _check(wanted)
    with ExitStack() as stack:
        paths = (wanted.primary, wanted.secondary, wanted.tertiary)[: _files_of(wanted.method)]
        first, *others = (stack.enter_context(Source(path)) for path in paths if path is not None)
        vae = stack.enter_context(Source(wanted.vae)) if wanted.vae is not None else None
        pieces = list(_pieces(wanted, first, others, vae))
        if not pieces:
            raise BadModelFile(f"Nothing of {first.path.name} is left to be written.")
        if wanted.loras:
            pieces = with_loras(pieces, first, [(stack.enter_context(Source(lora.path)), lora.strength) for lora in wanted.loras])
        metadata = metadata_of(first)
        if wanted.recipe:
            metadata[RECIPE] = recipe_text(_recipe(wanted))
            metadata[MODELS] = recipe_text(lineage((first, *others), wanted.sha256s))
        return write_safetensors(wanted.target, pieces, metadata, replace=wanted.replace, on_progress=on_progress)


def _files_of(method: Method) -> int:
    return {"No interpolation": 1, "Weighted sum": 2, "Add difference": 3}[method]


def _check(wanted: Merge) -> None:
    given = (wanted.secondary, wanted.tertiary)
    for place, path in zip(("second", "third"), given[: _files_of(wanted.method) - 1], strict=False):
        if path is None:
            raise InvalidParams(f"{wanted.method} needs a {place} checkpoint.")


def _pieces(wanted: Merge, first: Source, others: list[Source], vae: Source | None) -> Iterator[Piece]:
    names = [name for name in first.names if needed(name)]
    if not names:
        raise BadModelFile(f"{first.path.name} is no checkpoint in a single file, and only those can be merged.")
    from_second = [name for name in (others[0].names if others else ()) if needed(name) and name not in first]
    inside = list(baked(vae, first, wanted.numbers)) if vae is not None else []
    discarded = found_by(wanted.discard, (*names, *from_second, *(piece.name for piece in inside)))
    for name in (*names, *from_second):
        if name in discarded or (vae is not None and name.startswith(VAE)):
            continue
        if name in first:
            yield _mixed_piece(wanted, first, others, name)
        else:  # a VAE, say, that the first checkpoint lacks
            yield piece_of(others[0], name, name, wanted.numbers)
    yield from (piece for piece in inside if piece.name not in discarded)


def _mixed_piece(wanted: Merge, first: Source, others: list[Source], name: str) -> Piece:
    dtype = first.dtype(name)
    share = wanted.weights.of(name)
    mixable = dtype.is_floating_point and not name.endswith(POSITIONS) and all(name in other for other in others)
    if not others or share == 0 or not mixable:
        return piece_of(first, name, name, wanted.numbers)
    for other in others:
        alike = other.shape(name) == others[0].shape(name)
        if not alike or (other.shape(name) != first.shape(name) and not _adds_channels(name, first.shape(name), other.shape(name))):
            raise BadModelFile(
                f"{other.path.name} does not fit {first.path.name}: {name} is {_times(other.shape(name))} there and "
                f"{_times(first.shape(name))} here. Only checkpoints of one family can be merged."
            )
    chunks = partial(_mixed, first, others, name, share)
    return Piece(name, written_as(name, dtype, wanted.numbers), first.shape(name), chunks)


def _adds_channels(name: str, first: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """An inpainting or edit checkpoint with an ordinary one: its first layer has further inputs, which stay as they are."""
    return name == FIRST_LAYER and len(first) == len(other) == 4 and first[1] > other[1] and first[:1] + first[2:] == other[:1] + other[2:]


def _mixed(first: Source, others: list[Source], name: str, share: float) -> Iterator[Tensor]:
    """In fp32, whatever the files' number formats."""
    base, parts = first.get(name), [other.get(name) for other in others]
    if any(part.shape != base.shape for part in parts):
        whole = base.float().clone()
        channels = parts[0].shape[1]
        whole[:, :channels] = _mix(whole[:, :channels], [part.float() for part in parts], share)
        yield whole
        return
    for chunk, *rest in zip(numbers(base), *(numbers(part) for part in parts), strict=True):
        yield _mix(chunk.float(), [part.float() for part in rest], share)


def _mix(base: Tensor, parts: list[Tensor], share: float) -> Tensor:
    if len(parts) == 1:
        return base * (1 - share) + parts[0] * share
    return base + (parts[0] - parts[1]) * share


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"


def _recipe(wanted: Merge) -> dict[str, object]:
    files = [path for path in (wanted.primary, wanted.secondary, wanted.tertiary)[: _files_of(wanted.method)] if path is not None]
    return {
        "type": "darkroom",
        "models": [path.name if path.is_dir() else path.stem for path in files],
        "hashes": [wanted.sha256s.get(path) for path in files],
        "interp_method": wanted.method,
        "multiplier": wanted.weights.base,
        "block_weights": list(wanted.weights.blocks),
        "numbers": wanted.numbers,
        "bake_in_vae": wanted.vae.stem if wanted.vae else None,
        "discard_weights": wanted.discard,
        "loras": [{"name": lora.path.stem, "weight": lora.strength, "hash": wanted.sha256s.get(lora.path)} for lora in wanted.loras],
    }
