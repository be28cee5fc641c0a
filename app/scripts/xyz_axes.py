"""What an axis of the X/Y/Z plot can vary: A1111's list, in its order, and how a value changes a job."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from app.prompt import apply_styles
from app.schema.errors import InvalidParams, NotSupported, TooLarge, shown
from app.schema.params import CHURN, MAX_PROMPT_CHARS, GenerationParams, Mode
from app.schema.samplers import SAMPLERS as SAMPLER_NAMES
from app.schema.samplers import SCHEDULERS
from app.schema.upscalers import IMAGE_UPSCALERS, LATENT_UPSCALERS
from app.scripts.script import Setting
from app.scripts.xyz_values import MAX_VALUES, numbers, split_values, whole_numbers

Value = int | float | str | tuple[str, ...]
Changes = dict[str, object]
Change = Callable[[GenerationParams, Value, Setting, Sequence[Value]], Changes]
"""From the cell so far, a value and all values of the axis to fields of GenerationParams."""
Kind = Literal["none", "whole", "number", "text", "switch", "orders"]
BOTH: tuple[Mode, ...] = ("txt2img", "img2img")
SEEDS = ("seed", "subseed")
MAX_ORDERED = 6
SAMPLERS = tuple(sampler.name for sampler in SAMPLER_NAMES)
SCHEDULES = tuple(scheduler.label for scheduler in SCHEDULERS)


@dataclass(frozen=True)
class Axis:
    """One entry of the list."""

    label: str
    kind: Kind
    change: Change
    modes: tuple[Mode, ...] = BOTH
    field: str = ""
    """The one field of GenerationParams that it sets, if it is one."""
    bare: bool = False
    """Legends show the value without the axis's label."""
    cost: float = 0.0
    """How dear a change is: A1111 draws along the dearest axis last."""
    choices: tuple[str, ...] = ()
    """Known values, for the page."""

    def values(self, text: str, chosen: Sequence[str], *, as_text: bool) -> list[Value]:
        """The axis's values, from a text or from what was chosen in a list; InvalidParams for one of a wrong kind, or none."""
        if self.kind == "none":
            return [0]
        parts = list(chosen) if chosen and not as_text else split_values(text)
        found = self._read(parts)
        if not found:
            raise InvalidParams(f"The axis {self.label} needs at least one value.")
        if len(found) > MAX_VALUES:
            raise InvalidParams(f"The axis {self.label} has {len(found)} values; the limit is {MAX_VALUES}.")
        return found

    def _read(self, parts: list[str]) -> list[Value]:
        match self.kind:
            case "whole":
                return list(whole_numbers(self.label, parts))
            case "number":
                return list(numbers(self.label, parts))
            case "switch":
                if wrong := [part for part in parts if part.lower() not in ("true", "false")]:
                    raise InvalidParams(f"A value of the axis {self.label} should be True or False (given: {shown(wrong[0])!r}).")
                return [part.capitalize() for part in parts]
            case "orders":
                if len(parts) > MAX_ORDERED:
                    raise InvalidParams(f"The axis {self.label} can order at most {MAX_ORDERED} parts ({len(parts)} were given).")
                return list(permutations(parts))
            case _:
                return list(parts)

    def legend(self, value: Value) -> str:
        """What stands beside a row or column."""
        if self.kind == "none":
            return ""
        said = ", ".join(value) if isinstance(value, tuple) else str(round(value, 8) if isinstance(value, float) else value)
        if self.bare:
            return said.replace("\\", "/").rpartition("/")[2]
        return f"{self.label}: {said}"


def find_axis(mode: Mode, number_or_label: object, which: str) -> Axis:
    """The axis that a request names by its place in the mode's list, or by its label; InvalidParams."""
    axes = axes_of(mode)
    if isinstance(number_or_label, int | float) and not isinstance(number_or_label, bool) and number_or_label in range(len(axes)):
        return axes[int(number_or_label)]
    for axis in axes:
        if isinstance(number_or_label, str) and axis.label.lower() == number_or_label.strip().lower():
            return axis
    given = shown(str(number_or_label))
    raise InvalidParams(f"{which} type should be a number from 0 to {len(axes) - 1} or the name of an axis (given: {given!r}).")


def axes_of(mode: Mode) -> tuple[Axis, ...]:
    """The axes of a mode, in A1111's order."""
    return tuple(axis for axis in _AXES if mode in axis.modes)


def _field(name: str) -> Change:
    return lambda cell, value, setting, values: {name: value}


def _switched(name: str) -> Change:
    return lambda cell, value, setting, values: {name: value == "True"}


def _churn(name: str) -> Change:
    """As a request's own field: the infotext does not tell it."""
    return lambda cell, value, setting, values: {name: value, "quiet": tuple(n for n in CHURN if n in cell.quiet or n == name)}


def _nothing(cell: GenerationParams, value: Value, setting: Setting, values: Sequence[Value]) -> Changes:
    return {}


def _replaced(cell: GenerationParams, value: Value, setting: Setting, values: Sequence[Value]) -> Changes:
    """The first value is what is looked for, in both prompts."""
    wanted, base = str(values[0]), setting.params
    if wanted not in base.prompt and wanted not in base.negative_prompt:
        raise InvalidParams(f"Prompt S/R: the prompts do not hold {shown(wanted)!r}, the first value, which the others replace.")
    return {name: _with(getattr(cell, name), wanted, str(value)) for name in ("prompt", "negative_prompt")}


def _with(prompt: str, wanted: str, value: str) -> str:
    """The prompt with `value` for each `wanted`; TooLarge, before any memory is taken for it, if that is more than a prompt may have."""
    length = len(prompt) + prompt.count(wanted) * (len(value) - len(wanted))
    if length > MAX_PROMPT_CHARS:
        raise TooLarge(f"Prompt S/R: with {shown(value)!r} a prompt would have {length} characters; the limit is {MAX_PROMPT_CHARS}.")
    return prompt.replace(wanted, value)


def _ordered(cell: GenerationParams, value: Value, setting: Setting, values: Sequence[Value]) -> Changes:
    """The parts change places in the prompt; what stands between them stays."""
    assert isinstance(value, tuple)
    prompt = cell.prompt
    if missing := [part for part in value if part not in prompt]:
        raise InvalidParams(f"Prompt order: the prompt does not hold {shown(missing[0])!r}.")
    places = sorted((prompt.find(part), part) for part in value)
    built, at = "", 0
    for (start, old), new in zip(places, value, strict=True):
        built += prompt[at:start] + new
        at = max(at, start + len(old))
    return {"prompt": built + prompt[at:]}


def _styled(cell: GenerationParams, value: Value, setting: Setting, values: Sequence[Value]) -> Changes:
    names = [name.strip() for name in str(value).split(",")]
    prompt, negative = apply_styles(setting.styles, cell.prompt, cell.negative_prompt, names)
    return {"prompt": prompt, "negative_prompt": negative}


def _sized(cell: GenerationParams, value: Value, setting: Setting, values: Sequence[Value]) -> Changes:
    match = re.fullmatch(r"\s*(\d{1,5})\s*[x×]\s*(\d{1,5})\s*", str(value))
    if match is None:
        raise InvalidParams(f"A value of the axis Size should be like 512x768 (given: {shown(str(value))!r}).")
    return {"width": int(match[1]), "height": int(match[2])}


def _absent(name: str, neutral: tuple[str, ...] = ()) -> Change:
    def change(cell: GenerationParams, value: Value, setting: Setting, values: Sequence[Value]) -> Changes:
        if str(value) in neutral:
            return {}
        raise NotSupported(f"The axis {name} is not there yet; choose another one.")

    return change


def _none_is_empty(name: str) -> Change:
    return lambda cell, value, setting, values: {name: "" if str(value).lower() == "none" else value}


def _of(label: str, kind: Kind, field: str, **more: object) -> Axis:
    change: Change = _switched(field) if kind == "switch" else _churn(field) if field in CHURN else _field(field)
    return Axis(label, kind, change, field=field, **more)  # type: ignore[arg-type]  # further fields of Axis


_TXT: tuple[Mode, ...] = ("txt2img",)
_IMG: tuple[Mode, ...] = ("img2img",)
_HYPERTILE = (
    "Unet First pass Enabled", "Unet Second pass Enabled", "Unet Max Depth", "Unet Max Tile Size", "Unet Swap Size",
    "VAE Enabled", "VAE Max Depth", "VAE Max Tile Size", "VAE Swap Size",
)  # fmt: skip
_AXES: tuple[Axis, ...] = (
    Axis("Nothing", "none", _nothing),
    _of("Seed", "whole", "seed"),
    _of("Var. seed", "whole", "subseed"),
    _of("Var. strength", "number", "subseed_strength"),
    _of("Steps", "whole", "steps"),
    _of("Hires steps", "whole", "hr_second_pass_steps", modes=_TXT),
    _of("CFG Scale", "number", "cfg_scale"),
    _of("Image CFG Scale", "number", "image_cfg_scale", modes=_IMG),
    Axis("Prompt S/R", "text", _replaced, bare=True),
    Axis("Prompt order", "orders", _ordered, bare=True),
    _of("Sampler", "text", "sampler", bare=True, choices=SAMPLERS),
    _of("Hires sampler", "text", "hr_sampler", modes=_TXT, choices=SAMPLERS),
    _of("Checkpoint name", "text", "checkpoint", bare=True, cost=1.0),
    _of("Negative Guidance minimum sigma", "number", "s_min_uncond"),
    _of("Sigma Churn", "number", "s_churn"),
    _of("Sigma min", "number", "s_tmin"),
    _of("Sigma max", "number", "s_tmax"),
    _of("Sigma noise", "number", "s_noise"),
    _of("Schedule type", "text", "scheduler", choices=SCHEDULES),
    _of("Schedule min sigma", "number", "sigma_min"),
    _of("Schedule max sigma", "number", "sigma_max"),
    _of("Schedule rho", "number", "rho"),
    _of("Beta schedule alpha", "number", "beta_dist_alpha"),
    _of("Beta schedule beta", "number", "beta_dist_beta"),
    _of("Eta", "number", "eta"),
    _of("Clip skip", "whole", "clip_skip", cost=0.1),
    _of("Denoising", "number", "denoising_strength"),
    _of("Initial noise multiplier", "number", "initial_noise_multiplier"),
    _of("Extra noise", "number", "img2img_extra_noise"),
    _of("Hires upscaler", "text", "hr_upscaler", modes=_TXT, choices=(*LATENT_UPSCALERS, *IMAGE_UPSCALERS)),
    _of("Cond. Image Mask Weight", "number", "inpainting_mask_weight", modes=_IMG),
    _of("VAE", "text", "vae", cost=0.7),
    Axis("Styles", "text", _styled),
    _of("UniPC Order", "whole", "uni_pc_order", cost=0.5),
    Axis("Face restore", "text", _absent("Face restore", ("None", "False"))),
    _of("Token merging ratio", "number", "token_merging_ratio"),
    _of("Token merging ratio high-res", "number", "token_merging_ratio_hr"),
    _of("Always discard next-to-last sigma", "switch", "always_discard_next_to_last_sigma", choices=("True", "False")),
    _of("SGM noise multiplier", "switch", "sgm_noise_multiplier", choices=("True", "False")),
    Axis("Refiner checkpoint", "text", _none_is_empty("refiner_checkpoint"), cost=1.0),
    _of("Refiner switch at", "number", "refiner_switch_at"),
    _of("RNG source", "text", "randn_source", choices=("GPU", "CPU", "NV")),
    Axis("FP8 mode", "text", _absent("FP8 mode", ("Disable",)), cost=0.9),
    Axis("Size", "text", _sized),
    *(Axis(f"[Hypertile] {name}", "text", _absent(f"[Hypertile] {name}")) for name in _HYPERTILE),
)

NAMES: Mapping[Mode, tuple[str, ...]] = {mode: tuple(axis.label for axis in _AXES if mode in axis.modes) for mode in BOTH}
"""Labels of the axes, by mode."""
