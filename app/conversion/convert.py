"""One checkpoint from another: safetensors in CompVis' layout, another number format, no averaged weights, another VAE inside."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from app.conversion.source import Source
from app.conversion.writer import OnProgress, Piece, numbers, write_safetensors
from app.models.diffusers_folder import is_diffusers_folder
from app.models.folder_hints import hints_from_folder
from app.models.hints import metadata_of_hints
from app.schema.conversion import AveragedWeights, NumberFormat
from app.schema.errors import BadModelFile

DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.float8_e4m3fn}
)
PREDICTION = "modelspec.prediction_type"
PREDICTION_NAMES: Mapping[str, str] = MappingProxyType({"epsilon": "epsilon", "v": "v"})
"""ModelSpec's words."""
VAE = "first_stage_model."
DENOISER = "model.diffusion_model."
AVERAGED = "model_ema."
PARTS = (DENOISER, VAE, "cond_stage_model.", "conditioner.")
"""What drawing needs; a training's optimizer, losses and schedules lie beside them."""
MARKERS = frozenset({"v_pred", "ztsnr", "edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min"})
"""Small tensors that say how a checkpoint was trained."""
EIGHT_BIT = DENOISER
"""Only the denoiser bears eight bits; the rest stays at sixteen."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What is wanted of the new file."""

    source: Path
    """A file or a diffusers folder."""
    target: Path
    numbers: NumberFormat | None = None
    """None: as they are."""
    averaged: AveragedWeights = "drop"
    """Weights averaged in training (EMA), where a file has them: left out, kept beside the others, or taken in their place."""
    vae: Path | None = None
    """A VAE's file that takes the place of the checkpoint's own."""
    replace: bool = False


def convert(wanted: Conversion, on_progress: OnProgress | None = None) -> list[str]:
    """Writes the new file; gives the names of tensors that are not finite in it.

    Raises BadModelFile for a file that is no checkpoint, CannotWrite where the disk does not take it.
    """
    with ExitStack() as stack:
        source = stack.enter_context(Source(wanted.source))
        vae = stack.enter_context(Source(wanted.vae)) if wanted.vae is not None else None
        pieces = [*_own(source, wanted, vae), *(baked(vae, source, wanted.numbers) if vae else ())]
        if not pieces:
            raise BadModelFile(f"{wanted.source.name} holds no weights that a checkpoint needs.")
        return write_safetensors(wanted.target, pieces, metadata_of(source), replace=wanted.replace, on_progress=on_progress)


def metadata_of(source: Source) -> dict[str, str]:
    """What a file says of itself, for a file made from it (but hashes); `format` is what transformers looks for.

    Its prediction type is written down too: a yaml beside the file, or its name, may have said it so far.
    """
    said = {name: text for name, text in source.header.metadata.items() if name != "format" and "hash" not in name}
    if is_diffusers_folder(source.path):
        said |= metadata_of_hints(hints_from_folder(source.path))
    with suppress(BadModelFile):  # a file that is no checkpoint we know says what it says
        said = {PREDICTION: PREDICTION_NAMES[source.facts.prediction], **said}
    return {"format": "pt", **said}


def averaged_name(name: str) -> str:
    """Under which name a training keeps the average of a denoiser's weight (CompVis: without dots)."""
    return AVERAGED + name.removeprefix("model.").replace(".", "")


def written_as(name: str, stored: torch.dtype, wanted: NumberFormat | None) -> torch.dtype:
    """The number format of one tensor of the new file: whole numbers stay what they are."""
    if wanted is None or not stored.is_floating_point:
        return stored
    return DTYPES["fp16"] if wanted == "fp8" and not name.startswith(EIGHT_BIT) else DTYPES[wanted]


def piece_of(source: Source, name: str, stored: str, wanted: NumberFormat | None) -> Piece:
    """Tensor `stored` of a file as tensor `name` of the new one."""
    return Piece(name, written_as(name, source.dtype(stored), wanted), source.shape(stored), partial(_numbers, source, stored))


def needed(name: str) -> bool:
    """Whether drawing needs the tensor."""
    return name.startswith(PARTS) or name in MARKERS


def _numbers(source: Source, name: str) -> Iterator[Tensor]:
    return numbers(source.get(name))


def _own(source: Source, wanted: Conversion, vae: Source | None) -> Iterator[Piece]:
    if wanted.averaged == "use" and not any(name.startswith(AVERAGED) for name in source.names):
        raise BadModelFile(f"{source.path.name} has no averaged weights (EMA) to take.")
    single_file = any(name.startswith(DENOISER) for name in source.names)
    for name in source.names:
        kept = not single_file or needed(name) or (wanted.averaged == "keep" and name.startswith(AVERAGED))
        if not kept or (vae is not None and name.startswith(VAE)):
            continue
        averaged = averaged_name(name)
        stored = averaged if wanted.averaged == "use" and name.startswith(DENOISER) and averaged in source else name
        yield piece_of(source, name, stored, wanted.numbers)


def baked(vae: Source, source: Source, wanted: NumberFormat | None) -> Iterator[Piece]:
    """The VAE's tensors under the names that they have inside a checkpoint; a VAE's file has them with or without the prefix."""
    whole = any(name.startswith(VAE) for name in vae.names)  # a checkpoint: its VAE is taken
    names = [name for name in vae.names if name.startswith(VAE)] if whole else vae.names
    inside = {VAE + name.removeprefix(VAE): name for name in names if not name.startswith(("loss.", AVERAGED))}
    theirs = {name for name in source.names if name.startswith(VAE)}
    for name in sorted(theirs) or sorted(inside):
        if name not in inside or (name in source and vae.shape(inside[name]) != source.shape(name)):
            raise BadModelFile(f"{vae.path.name} does not fit {source.path.name}: it is a VAE of another kind ({name}).")
        yield piece_of(vae, name, inside[name], wanted)


def recipe_text(recipe: Mapping[str, object]) -> str:
    """How a file was made, as its metadata keep it."""
    return json.dumps(recipe, ensure_ascii=False)
