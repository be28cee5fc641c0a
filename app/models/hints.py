"""What the shapes of a checkpoint's tensors cannot tell: from the file's metadata, and from a yaml beside it as A1111 has it."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from app.models.facts import Prediction
from app.schema.errors import BadModelFile

YAML_LIMIT_BYTES = 64 * 2**10
"""A1111's own have two to four kilobytes."""

_PREDICTIONS: Mapping[str, Prediction] = {
    "epsilon": "epsilon", "eps": "epsilon", "v": "v", "v-prediction": "v", "v_prediction": "v", "velocity": "v",
}  # fmt: skip
_ACTIVATIONS = ("quick_gelu", "gelu")
_LONGEST_TEXT = 2000


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What one source says, None where it says nothing."""

    heads: int | None = None
    head_width: int | None = None
    """Of families whose number of heads grows with the width (SD2, SDXL)."""
    text_heads: int | None = None
    norm_groups: int | None = None
    prediction: Prediction | None = None
    native_size_px: int | None = None
    scale_factor: float | None = None
    linear_start: float | None = None
    linear_end: float | None = None
    text_activation: str | None = None
    title: str | None = None
    description: str | None = None
    usage_hint: str | None = None
    license: str | None = None

    def or_else(self, other: "Hints") -> "Hints":
        """These hints, completed by another source's."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return dataclasses.replace(other, **{name: value for name, value in own.items() if value is not None})


def hints_from_metadata(metadata: Mapping[str, str]) -> Hints:
    """Hints of ModelSpec's keys (`modelspec.*`) and our own (`darkroom.*`); BadModelFile for values that make no sense."""
    source = _Source("The file's metadata", metadata.get)
    native = source.whole("darkroom.native_size", 8, 16384)
    return Hints(
        heads=source.whole("darkroom.num_heads", 1, 1024),
        head_width=source.whole("darkroom.num_head_channels", 1, 1024),
        text_heads=source.whole("darkroom.text_heads", 1, 1024),
        norm_groups=source.whole("darkroom.norm_groups", 1, 1024),
        prediction=source.prediction("modelspec.prediction_type"),
        native_size_px=native or _resolution(metadata.get("modelspec.resolution", "")),
        scale_factor=source.number("darkroom.scale_factor"),
        title=_text(metadata.get("modelspec.title")),
        description=_text(metadata.get("modelspec.description")),
        usage_hint=_text(metadata.get("modelspec.usage_hint")),
        license=_text(metadata.get("modelspec.license")),
    )


def yaml_beside(path: Path) -> Path | None:
    """The yaml of a checkpoint, which has the same name and stands beside it; None if there is none."""
    beside = path.with_suffix(".yaml")
    return beside if beside.is_file() else None


def hints_from_yaml(path: Path) -> Hints:
    """Hints of a CompVis inference configuration; BadModelFile with one sentence if the file cannot be read as one."""
    content = _load(path)
    source = _Source(f"{path.name} beside it", lambda name: _at(content, name))
    unet, text = "model.params.unet_config.params.", "model.params.cond_stage_config.params."
    levels = _at(content, "model.params.first_stage_config.params.ddconfig.ch_mult")
    latent_px = 2 ** (len(levels) - 1) if isinstance(levels, list) and 0 < len(levels) < 8 else 8
    image_size = source.whole("model.params.image_size", 1, 2048)
    head_width = source.whole(f"{unet}num_head_channels", -1, 1024)
    heads = source.whole(f"{unet}num_heads", -1, 1024)
    return Hints(
        heads=heads if heads and heads > 0 else None,  # CompVis writes -1 for "by the other one"
        head_width=head_width if head_width and head_width > 0 else None,
        text_heads=source.whole(f"{text}num_attention_heads", 1, 1024) or source.whole(f"{text}text_config.num_attention_heads", 1, 1024),
        prediction=source.prediction("model.params.parameterization"),
        native_size_px=image_size * latent_px if image_size else None,
        scale_factor=source.number("model.params.scale_factor"),
        linear_start=source.number("model.params.linear_start"),
        linear_end=source.number("model.params.linear_end"),
        text_activation=source.activation(f"{text}hidden_act") or source.activation(f"{text}text_config.hidden_act"),
    )


class _Source:
    """Values by dotted names, and the sentences about those that make no sense."""

    def __init__(self, title: str, get: Callable[[str], object]) -> None:
        self._title, self._get = title, get

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number in its range."""
        if (value := self._get(name)) is None:
            return None
        number = _to_float(value)
        if number is None or not number.is_integer() or not least <= number <= most:
            raise self._senseless(name, f"a whole number from {least} to {most}")
        return int(number)

    def number(self, name: str) -> float | None:
        """A number above zero."""
        if (value := self._get(name)) is None:
            return None
        number = _to_float(value)
        if number is None or number <= 0:
            raise self._senseless(name, "a number above 0")
        return number

    def prediction(self, name: str) -> Prediction | None:
        """What the denoiser predicts."""
        if (value := self._get(name)) is None or value == "":
            return None
        if str(value).lower() not in _PREDICTIONS:
            raise self._senseless(name, "epsilon or v")
        return _PREDICTIONS[str(value).lower()]

    def activation(self, name: str) -> str | None:
        """The text encoder's activation function."""
        if (value := self._get(name)) is None:
            return None
        if value not in _ACTIVATIONS:
            raise self._senseless(name, " or ".join(_ACTIVATIONS))
        return str(value)

    def _senseless(self, name: str, wanted: str) -> BadModelFile:
        return BadModelFile(f"{self._title} says {name} is {str(self._get(name))[:40]!r}; it has to be {wanted}.")


def _to_float(value: object) -> float | None:
    """The number; YAML reads `1e-4` as a text, so texts are tried too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _resolution(text: str) -> int | None:
    """Side of the square with the area of ModelSpec's `WIDTHxHEIGHT`, in steps of 8 pixels; None if it is something else."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*(?:x\s*(\d{1,5})\s*)?", text)
    if match is None or not int(match[1]) or not int(match[2] or match[1]):
        return None
    return max(8, round(math.sqrt(int(match[1]) * int(match[2] or match[1])) / 8) * 8)


def _text(value: str | None) -> str | None:
    stripped = (value or "").strip()
    return stripped[:_LONGEST_TEXT] or None


def _load(path: Path) -> object:
    try:
        with path.open("rb") as file:
            data = file.read(YAML_LIMIT_BYTES + 1)
    except OSError as error:
        raise BadModelFile(f"{path.name} beside it cannot be read: {error.strerror or error}.") from error
    if len(data) > YAML_LIMIT_BYTES:
        raise BadModelFile(f"{path.name} beside it is no configuration: it has more than {YAML_LIMIT_BYTES:,} bytes.")
    if b"<<" in data:  # merged mappings can grow without limit, and no configuration needs them
        raise BadModelFile(f"{path.name} beside it is no configuration: it merges mappings (<<).")
    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = str(getattr(error, "problem", None) or type(error).__name__)
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise BadModelFile(f"{path.name} beside it is damaged{place} ({problem[:80]}).") from error


def _at(content: object, name: str) -> object:
    for key in name.split("."):
        content = content.get(key) if isinstance(content, dict) else None
    return content
