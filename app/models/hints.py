"""What the shapes of a checkpoint's tensors cannot tell: from the file's metadata, and from a yaml beside it as A1111 has it."""

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.models.facts import Prediction
from app.models.plain_yaml import read_yaml, text_at, value_at
from app.schema.errors import BadModelFile
from app.schema.params import MAX_PIXELS

_PREDICTIONS: Mapping[str, Prediction] = {
    "epsilon": "epsilon", "eps": "epsilon", "v": "v", "v-prediction": "v", "v_prediction": "v", "velocity": "v",
}  # fmt: skip
_ACTIVATIONS = ("quick_gelu", "gelu")
_LONGEST_TEXT = 2000
_EXAMPLES = 12
LEAST_SIDE_PX, MOST_SIDE_PX = 8, math.isqrt(MAX_PIXELS)
SCALES = (0.01, 100.0)
"""Factors of autoencoders lie between 0.08 and 1.6; beyond these latents would lose their digits."""
BETAS = (0.00001, 0.05)
"""Ends of known noise schedules lie between 0.0001 and 0.0205; within these all noise levels are finite, and each differs from the next."""


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What one source says, None where it says nothing."""

    heads: int | None = None
    head_width: int | None = None
    """Of families whose number of heads grows with the width (SD2, SDXL)."""
    text_heads: int | None = None
    text_heads_2: int | None = None
    """Of the second text encoder."""
    norm_groups: int | None = None
    prediction: Prediction | None = None
    zero_terminal_snr: bool | None = None
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


def hints_from_tensors(names: Collection[str]) -> Hints:
    """Hints of the empty tensors by which merged SDXL checkpoints say how they were trained."""
    return Hints(prediction="v" if "v_pred" in names else None, zero_terminal_snr=True if "ztsnr" in names else None)


def hints_from_metadata(metadata: Mapping[str, str]) -> Hints:
    """Hints of ModelSpec's keys (`modelspec.*`), kohya's (`ss_*`) and our own (`darkroom.*`).

    Raises BadModelFile for values that make no sense.
    """
    source = Source("The file's metadata", metadata.get)
    native = source.whole("darkroom.native_size", LEAST_SIDE_PX, MOST_SIDE_PX)
    return Hints(
        heads=source.whole("darkroom.num_heads", 1, 1024),
        head_width=source.whole("darkroom.num_head_channels", 1, 1024),
        text_heads=source.whole("darkroom.text_heads", 1, 1024),
        text_heads_2=source.whole("darkroom.text_heads_2", 1, 1024),
        norm_groups=source.whole("darkroom.norm_groups", 1, 1024),
        prediction=source.prediction("modelspec.prediction_type") or _prediction_by_words(metadata),
        zero_terminal_snr=True if metadata.get("ss_zero_terminal_snr") == "True" else None,
        native_size_px=native or source.side_px("modelspec.resolution"),
        scale_factor=source.number("darkroom.scale_factor", *SCALES),
        linear_start=source.number("darkroom.linear_start", *BETAS),
        linear_end=source.number("darkroom.linear_end", *BETAS),
        text_activation=source.activation("darkroom.text_activation"),
        title=_text(metadata.get("modelspec.title")),
        description=_description(metadata),
        usage_hint=_text(metadata.get("modelspec.usage_hint")),
        license=_text(metadata.get("modelspec.license")),
    )


def _description(metadata: Mapping[str, str]) -> str | None:
    """What the author says, and of a checkpoint that lists what it draws (`darkroom.concepts`, one a line) how much that is."""
    said, known = _text(metadata.get("modelspec.description")), metadata.get("darkroom.concepts", "").split("\n")
    if len(known) <= _EXAMPLES:
        return said
    examples = known[:: len(known) // _EXAMPLES][:_EXAMPLES]
    return _text(f"{said or ''} It draws about {len(known)} things, such as {', '.join(examples)}.".strip())


def metadata_of_hints(hints: Hints) -> dict[str, str]:
    """The metadata by which a file says the same of itself, but for prediction type and noise schedule."""
    told = {
        "num_heads": hints.heads, "num_head_channels": hints.head_width, "text_heads": hints.text_heads, "text_heads_2": hints.text_heads_2,
        "norm_groups": hints.norm_groups, "native_size": hints.native_size_px, "scale_factor": hints.scale_factor,
        "linear_start": hints.linear_start, "linear_end": hints.linear_end, "text_activation": hints.text_activation,
    }  # fmt: skip
    return {f"darkroom.{name}": str(value) for name, value in told.items() if value is not None}


def _prediction_by_words(metadata: Mapping[str, str]) -> Prediction | None:
    """What the names that Stability gave its architectures imply, and kohya's trainer says."""
    if metadata.get("modelspec.architecture", "").startswith("stable-diffusion-v2-768-v"):
        return "v"
    if metadata.get("modelspec.architecture", "").startswith("stable-diffusion-v2-512"):
        return "epsilon"
    return "v" if metadata.get("ss_v_parameterization") == "True" else None


def yaml_beside(path: Path) -> Path | None:
    """The yaml of a checkpoint's file, which has the same name and stands beside it; None if there is none."""
    beside = path.with_suffix(".yaml")
    return beside if beside.is_file() and not path.is_dir() else None


def hints_from_yaml(path: Path) -> Hints:
    """Hints of an inference configuration of CompVis' or Stability's code.

    Raises BadModelFile with one sentence if the file cannot be read as one.
    """
    content = read_yaml(path)
    source = Source(f"{path.name} beside it", lambda name: text_at(content, name))
    newer = value_at(content, "model.params.network_config") is not None
    unet = f"model.params.{'network' if newer else 'unet'}_config.params."
    encoders = "model.params.conditioner_config.params.emb_models."
    first = f"{encoders}0.params." if newer else "model.params.cond_stage_config.params."
    heads, head_width = source.whole(f"{unet}num_heads", -1, 1024), source.whole(f"{unet}num_head_channels", -1, 1024)
    return Hints(
        heads=heads if heads and heads > 0 else None,  # CompVis writes -1 for "by the other one"
        head_width=head_width if head_width and head_width > 0 else None,
        text_heads=_text_heads(source, first),
        text_heads_2=_text_heads(source, f"{encoders}1.params.") if newer else None,
        prediction=source.prediction("model.params.parameterization") or _prediction_by_scaling(content),
        native_size_px=_native_size_px(source, content),
        scale_factor=source.number("model.params.scale_factor", *SCALES),
        linear_start=source.number("model.params.linear_start", *BETAS),
        linear_end=source.number("model.params.linear_end", *BETAS),
        text_activation=source.activation(f"{first}hidden_act") or source.activation(f"{first}text_config.hidden_act"),
    )


def _text_heads(source: "Source", text: str) -> int | None:
    """CLIP's, wrapped CLIP's, OpenCLIP's."""
    names = ("num_attention_heads", "text_config.num_attention_heads", "text_cfg.heads")
    return next((heads for name in names if (heads := source.whole(text + name, 1, 1024))), None)


def _prediction_by_scaling(content: object) -> Prediction | None:
    """Of Stability's code for SDXL, where a class says it."""
    target = text_at(content, "model.params.denoiser_config.params.scaling_config.target") or ""
    return {"VScaling": "v", "EpsScaling": "epsilon"}.get(target.rpartition(".")[2])  # type: ignore[return-value]  # both are Predictions


def _native_size_px(source: "Source", content: object) -> int | None:
    levels = value_at(content, "model.params.first_stage_config.params.ddconfig.ch_mult")
    latent_px = 2 ** (len(levels) - 1) if isinstance(levels, list) and 0 < len(levels) < 8 else 8
    image_size = source.whole("model.params.image_size", 1, MOST_SIDE_PX // latent_px)
    if not image_size or (image_size * latent_px == 512 and source.prediction("model.params.parameterization") == "v"):
        return None  # the configuration of Stable Diffusion 2's 768 pixels says 64 latents, as that of its 512 pixels does
    return max(LEAST_SIDE_PX, image_size * latent_px)


class Source:
    """Texts by dotted names, and the sentences about those that make no sense."""

    def __init__(self, title: str, get: Callable[[str], str | None]) -> None:
        self._title, self._get = title, get

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number in its range."""
        if (text := self._get(name)) is None:
            return None
        number = _to_float(text)
        if not number.is_integer() or not least <= number <= most:
            raise self._senseless(name, text, f"a whole number from {least} to {most}")
        return int(number)

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number in its range."""
        if (text := self._get(name)) is None:
            return None
        number = _to_float(text)
        if not least <= number <= most:
            raise self._senseless(name, text, f"a number from {least} to {most:g}")
        return number

    def side_px(self, name: str) -> int | None:
        """Side of the square with the area of ModelSpec's `WIDTHxHEIGHT`, in steps of 8 pixels; None if it is something else."""
        text = self._get(name) or ""
        match = re.fullmatch(r"\s*(\d{1,5})\s*(?:x\s*(\d{1,5})\s*)?", text)
        if match is None or not int(match[1]) or not int(match[2] or match[1]):
            return None
        side = max(LEAST_SIDE_PX, round(math.sqrt(int(match[1]) * int(match[2] or match[1])) / 8) * 8)
        if side > MOST_SIDE_PX:
            raise self._senseless(name, text, f"at most {MOST_SIDE_PX}x{MOST_SIDE_PX}")
        return side

    def prediction(self, name: str) -> Prediction | None:
        """What the denoiser predicts."""
        if not (text := self._get(name)):
            return None
        if text.lower() not in _PREDICTIONS:
            raise self._senseless(name, text, "epsilon or v")
        return _PREDICTIONS[text.lower()]

    def activation(self, name: str) -> str | None:
        """The text encoder's activation function."""
        if (text := self._get(name)) is None:
            return None
        if text not in _ACTIVATIONS:
            raise self._senseless(name, text, " or ".join(_ACTIVATIONS))
        return text

    def _senseless(self, name: str, text: str, wanted: str) -> BadModelFile:
        return BadModelFile(f"{self._title} says {name} is {text[:40]!r}; it has to be {wanted}.")


def _to_float(text: str) -> float:
    """The number; not a number (NaN, which lies in no range) for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _text(value: str | None) -> str | None:
    stripped = (value or "").strip()
    return stripped[:_LONGEST_TEXT] or None
