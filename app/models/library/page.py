"""What a model's own page shows beyond its card: read from the file's header when somebody looks, and not kept."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from app.models.facts import ModelFile
from app.models.families.speed import speed_of
from app.models.header import Header
from app.models.library.training import Line, other_lines, spec_lines, tag_counts, training_lines
from app.models.reading import guarded, read_header
from app.schema.errors import BadModelFile

MOST_LINES = 300
MOST_TAGS = 200


@dataclass(frozen=True, kw_only=True)
class Suggested:
    """What to begin with; None: whatever one likes."""

    width: int | None = None
    height: int | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    sampler: str | None = None
    scheduler: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelAbout:
    """One model file in depth."""

    layout: str | None = None
    """`safetensors`, `pickle`, `png`, or `folder` in diffusers' layout."""
    tensors: int = 0
    parameters: int = 0
    prediction: str | None = None
    """`epsilon` or `v`; of checkpoints."""
    zero_terminal_snr: bool | None = None
    native_size_px: int | None = None
    text_encoders: int | None = None
    vae_to_get: str | None = None
    """Which VAE suits a checkpoint that has none."""
    usage_hint: str | None = None
    license: str | None = None
    suggested: Suggested | None = None
    spec: tuple[Line, ...] = ()
    """ModelSpec's metadata."""
    training: tuple[Line, ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    """What it was trained with, and how often; the most frequent first."""
    other: tuple[Line, ...] = ()
    """The rest of the metadata."""


def read_about(file: ModelFile) -> ModelAbout:
    """What the file's header tells; of a file that cannot be read nothing (its card says why)."""
    try:
        return guarded(lambda path: _about(file, path), file.path)
    except BadModelFile:
        return ModelAbout()


def _about(file: ModelFile, path: Path) -> ModelAbout:
    header = read_header(path)
    facts, told = file.facts, header.metadata
    return ModelAbout(
        layout=header.layout,
        tensors=len(header.tensors),
        parameters=sum(prod(info.shape) for info in header.tensors.values()),
        prediction=facts.prediction if facts else None,
        zero_terminal_snr=facts.zero_terminal_snr if facts else None,
        native_size_px=facts.native_size_px if facts else None,
        text_encoders=len(facts.texts) if facts else None,
        vae_to_get=facts.vae_to_get if facts else None,
        usage_hint=facts.usage_hint if facts else told.get("modelspec.usage_hint") or None,
        license=facts.license if facts else told.get("modelspec.license") or None,
        suggested=_suggested(file, header),
        spec=tuple(spec_lines(told))[:MOST_LINES],
        training=tuple(training_lines(told)),
        tags=tuple(tag_counts(told.get("ss_tag_frequency", "")).most_common(MOST_TAGS)),
        other=tuple(other_lines(told))[:MOST_LINES],
    )


def _suggested(file: ModelFile, header: Header) -> Suggested | None:
    """Of checkpoints: their native size, and for those that were made for few steps how many."""
    if file.facts is None:
        return None
    side, speed = file.facts.native_size_px, speed_of(header.metadata)
    if speed is None:
        return Suggested(width=side, height=side)
    return Suggested(
        width=side, height=side, steps=speed.steps, cfg_scale=speed.cfg_scale, sampler=speed.sampler, scheduler=speed.scheduler
    )
