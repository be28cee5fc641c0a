"""What a picture is made from: one typed, frozen model that the page, the API, the command line and the infotext are views of.

A new option is one field here, with a `View` that says under which name each of those shows it; nothing else repeats the name.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.schema.errors import InvalidParams

MAX_PROMPT_CHARS = 100_000
MAX_PIXELS = 64 * 1024 * 1024
"""Largest picture (width x height); what fits in memory is the engine's question, this is what is sane."""
MAX_PICTURES = 10_000
"""Most pictures one job may ask for (batch size x batch count)."""
MAX_SEED = 2**64 - 1

Mode = Literal["txt2img", "img2img"]


@dataclass(frozen=True, kw_only=True)
class View:
    """How one field is called by each of its views; None: that view does not show it."""

    label: str | None = None
    """The infotext's label, A1111's words."""
    api: str | None = None
    """The field of an /sdapi/v1 request, where it differs from the schema's name."""
    option: str | None = None
    """The A1111 option (POST /sdapi/v1/options, override_settings) that sets it."""
    flags: tuple[str, ...] = ()
    """Further command-line flags beside `--field-name` (the CompVis scripts' names)."""
    section: str | None = None
    """The part of the page that holds its control."""
    title: str | None = None
    """What the control is called on the page, where it differs from the infotext's label."""


class GenerationParams(BaseModel):
    """One job: `n_iter` batches of `batch_size` pictures from one set of settings. Picture i of the job has seed + i."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = "txt2img"
    prompt: Annotated[str, View(section="prompt", title="Prompt")] = Field("", max_length=MAX_PROMPT_CHARS)
    negative_prompt: Annotated[str, View(section="prompt", label="Negative prompt")] = Field("", max_length=MAX_PROMPT_CHARS)
    steps: Annotated[int, View(label="Steps", flags=("--ddim_steps",), section="sampling", title="Sampling steps")] = Field(
        20, ge=1, le=1000
    )
    sampler: Annotated[str, View(label="Sampler", api="sampler_name", section="sampling", title="Sampling method")] = Field(
        "DPM++ 2M", max_length=100
    )
    scheduler: Annotated[str, View(label="Schedule type", section="sampling")] = Field("Automatic", max_length=100)
    eta: Annotated[float | None, View(label="Eta", flags=("--ddim_eta",), section="sampling")] = Field(
        None, ge=0, le=10, allow_inf_nan=False, description="Share of fresh noise in a step; None: the sampler's own (DDIM 0, others 1)."
    )
    cfg_scale: Annotated[float, View(label="CFG scale", flags=("--scale",), section="guidance", title="CFG Scale")] = Field(
        7.0, ge=-100, le=1000, allow_inf_nan=False
    )
    seed: Annotated[int, View(label="Seed", section="seed")] = Field(
        -1, ge=-1, le=MAX_SEED, description="-1: drawn when the job is accepted."
    )
    width: Annotated[int, View(label="Size", flags=("--W",), section="size", title="Width")] = Field(512, ge=8, le=16384)
    height: Annotated[int, View(label="Size", flags=("--H",), section="size", title="Height")] = Field(512, ge=8, le=16384)
    batch_size: Annotated[int, View(flags=("--n_samples",), section="batch", title="Batch size")] = Field(1, ge=1, le=1000)
    n_iter: Annotated[int, View(flags=("--n_iter",), section="batch", title="Batch count")] = Field(1, ge=1, le=10000)
    checkpoint: Annotated[str, View(label="Model", option="sd_model_checkpoint", flags=("--ckpt",), section="model")] = Field(
        "", max_length=1000, description="A name from the catalogue; empty: the one that is chosen in the options."
    )
    clip_skip: Annotated[int, View(label="Clip skip", option="CLIP_stop_at_last_layers", section="model")] = Field(1, ge=1, le=12)
    denoising_strength: Annotated[float | None, View(label="Denoising strength", flags=("--strength",), section="img2img")] = Field(
        None, ge=0, le=1, description="img2img only; None there means 0.75."
    )
    resize_mode: Annotated[int, View(section="img2img", title="Resize mode")] = Field(
        0, ge=0, le=2, description="0 just resize, 1 crop and resize, 2 resize and fill."
    )
    init_images: tuple[str, ...] = Field((), max_length=1000, description="Ids of stored input pictures (their sha256).")
    exact: Annotated[bool, View(section="engine", title="Exact")] = Field(
        False, description="Forwards hold this job's rows only, so the picture is byte-equal to the one made alone."
    )

    @field_validator("prompt", "negative_prompt")
    @classmethod
    def _no_nul(cls, text: str) -> str:
        return text.replace("\x00", "")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(f"{self.width}x{self.height} is over the limit of {MAX_PIXELS // 1024**2} megapixels")
        if self.batch_size * self.n_iter > MAX_PICTURES:
            raise ValueError(f"batch size {self.batch_size} times batch count {self.n_iter} is over the limit of {MAX_PICTURES} pictures")
        if self.mode == "img2img" and not self.init_images:
            raise ValueError("img2img needs a picture to start from")
        return self

    @property
    def pictures(self) -> int:
        """How many pictures the job makes."""
        return self.batch_size * self.n_iter

    @property
    def strength(self) -> float:
        """Denoising strength of img2img with its default filled in."""
        return 0.75 if self.denoising_strength is None else self.denoising_strength


def view_of(name: str) -> View:
    """The `View` of a field of GenerationParams; an empty one for a field that no view shows."""
    return next((m for m in GenerationParams.model_fields[name].metadata if isinstance(m, View)), View())


def make_params(**values: object) -> GenerationParams:
    """GenerationParams from loose values; InvalidParams with one sentence a wrong field instead of pydantic's report."""
    from pydantic import ValidationError

    try:
        return GenerationParams.model_validate(values)
    except ValidationError as error:
        raise InvalidParams(" ".join(_sentence(e["loc"], e["msg"], e.get("input")) for e in error.errors())) from error


def _sentence(where: tuple[int | str, ...], message: str, given: object) -> str:
    text = message.removeprefix("Value error, ")
    if not where:
        return f"{text[:1].upper()}{text[1:]}."
    shown = f" (given: {str(given)[:60]!r})" if isinstance(given, str | int | float) else ""
    return f"{where[0]}: {text[:1].lower()}{text[1:]}{shown}."
