"""Which settings of the hires fix, of the noise on input pictures and of token merging an infotext names, by A1111's rules."""

from collections.abc import Iterator

from app.metadata.names import hires_schedule_label, schedule_label
from app.schema.params import GenerationParams

HIRES = frozenset(
    {"hr_upscaler", "hr_second_pass_steps", "hr_scale", "hr_resize_x", "hr_resize_y", "hr_sampler", "hr_scheduler", "hr_cfg"}
    | {"hr_prompt", "hr_negative_prompt", "initial_noise_multiplier", "img2img_extra_noise"}
    | {"token_merging_ratio", "token_merging_ratio_hr"}
)
"""Fields of GenerationParams that `shown_hires` decides about."""


def shown_hires(params: GenerationParams) -> Iterator[tuple[str, object]]:
    """(field, value) of those of `HIRES` that belong into the infotext: a setting that is the first pass's is not told again."""
    if params.token_merging:
        yield "token_merging_ratio", params.token_merging
    if params.mode == "img2img" and params.initial_noise_multiplier != 1:
        yield "initial_noise_multiplier", params.initial_noise_multiplier
    if params.img2img_extra_noise and (params.mode == "img2img" or params.has_hires):
        yield "img2img_extra_noise", params.img2img_extra_noise
    if not params.has_hires:
        return
    if params.token_merging_hires:
        yield "token_merging_ratio_hr", params.token_merging_hires
    if params.hr_upscaler:
        yield "hr_upscaler", params.hr_upscaler
    if params.hr_second_pass_steps:
        yield "hr_second_pass_steps", params.hr_second_pass_steps
    if params.hr_resize_x or params.hr_resize_y:
        yield "hr_resize_x", f"{params.hr_resize_x}x{params.hr_resize_y}"
    else:
        yield "hr_scale", params.hr_scale
    if params.hr_sampler not in ("", params.sampler):
        yield "hr_sampler", params.hr_sampler
    schedule = hires_schedule_label(params)
    if schedule not in ("", schedule_label(params.sampler, params.scheduler)):
        yield "hr_scheduler", schedule
    if params.hr_cfg not in (None, params.cfg_scale):
        yield "hr_cfg", params.hr_cfg
    if params.hr_prompt not in ("", params.prompt):
        yield "hr_prompt", params.hr_prompt
    if params.hr_negative_prompt not in ("", params.negative_prompt):
        yield "hr_negative_prompt", params.hr_negative_prompt
