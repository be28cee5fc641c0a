"""The hires fix of an /sdapi request, as settings of a job."""

from app.api.prompts import final_prompts
from app.api.sdapi.requests import Txt2ImgRequest
from app.api.sdapi.unsupported import NO_CHECKPOINT
from app.api.services import Services
from app.jobs import OptionsView
from app.schema.samplers import find_sampler, find_scheduler

MAX_NAME_CHARS = 100
SAME_SAMPLER, SAME_SCHEDULER = "Use same sampler", "Use same scheduler"


def hires_values(services: Services, request: Txt2ImgRequest, options: OptionsView) -> dict[str, object]:
    """Fields of GenerationParams; UnknownName for a sampler or a scheduler that does not exist."""
    prompt, negative = request.hr_prompt or "", request.hr_negative_prompt or ""
    styled = final_prompts(services, options, prompt, negative, request.styles or [])
    sampler = None if request.hr_sampler_name in (None, "", SAME_SAMPLER) else find_sampler(str(request.hr_sampler_name)[:MAX_NAME_CHARS])
    scheduler = None if request.hr_scheduler in (None, "", SAME_SCHEDULER) else find_scheduler(str(request.hr_scheduler)[:MAX_NAME_CHARS])
    if sampler is not None and sampler[1] is not None:
        scheduler = sampler[1]
    values: dict[str, object] = {
        "enable_hr": True,
        "denoising_strength": request.denoising_strength,
        "hr_scale": 2.0 if request.hr_scale is None else request.hr_scale,
        "hr_upscaler": request.hr_upscaler or "",
        "hr_second_pass_steps": max(0, request.hr_second_pass_steps or 0),
        "hr_resize_x": max(0, request.hr_resize_x or 0),
        "hr_resize_y": max(0, request.hr_resize_y or 0),
        "hr_checkpoint": "" if request.hr_checkpoint_name in (None, *NO_CHECKPOINT) else request.hr_checkpoint_name,
        "hr_sampler": "" if sampler is None else sampler[0].name,
        "hr_scheduler": "" if scheduler is None else scheduler.label,
        "hr_cfg": request.hr_cfg,
        # A style belongs to both passes; without words of its own the hires pass says what the first says.
        "hr_prompt": styled[0] if prompt else "",
        "hr_negative_prompt": styled[1] if negative else "",
    }
    if request.firstphase_width or request.firstphase_height:  # clients of 2022 say the final size as width and height
        values |= {"width": request.firstphase_width or request.width, "height": request.firstphase_height or request.height}
        values |= {"hr_resize_x": request.width, "hr_resize_y": request.height}
    return values
