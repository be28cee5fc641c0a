"""From an /sdapi request to one job's settings."""

from dataclasses import dataclass

from app.api.prompts import final_prompts
from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.hires import hires_values
from app.api.sdapi.infotext import fill_from_infotext
from app.api.sdapi.masks import mask_values
from app.api.sdapi.pictures import store_input
from app.api.sdapi.requests import GenerationRequest, Img2ImgRequest
from app.api.sdapi.scripts import check_scripts, script_call
from app.api.sdapi.unsupported import NO_CHECKPOINT, refuse_unsupported
from app.api.services import Services
from app.jobs import OptionsView
from app.schema.errors import InvalidParams
from app.schema.params import CHURN, GenerationParams, make_params
from app.schema.samplers import SCHEDULERS, find_sampler, find_scheduler
from app.schema.scripts import ScriptCall

DEFAULT_SAMPLER = "Euler"
MAX_NAME_CHARS = 100
_NOT_NULL = ("prompt", "negative_prompt", "batch_size", "n_iter", "steps", "cfg_scale", "width", "height")
"""A1111 takes a null here and fails on it later."""


@dataclass(frozen=True)
class Order:
    """A request as it was understood."""

    request: GenerationRequest
    """With what an infotext filled in: what the answer's `parameters` echo."""
    params: GenerationParams
    options: OptionsView
    """With the request's `override_settings`."""
    script: ScriptCall | None = None


def translate(services: Services, request: GenerationRequest) -> Order:
    """Checks everything a request can get wrong and stores its input pictures.

    Raises DarkroomError with a sentence, or FourKeyError where A1111 answers in a form of its own.
    """
    if isinstance(request, Img2ImgRequest) and request.init_images is None:
        raise FourKeyError(404, detail="Init image not found")
    check_scripts(request, services.jobs.scripts)
    script = script_call(request, "img2img" if isinstance(request, Img2ImgRequest) else "txt2img", services.jobs.scripts)
    request = fill_from_infotext(request, services.options, services.styles.list())
    for name in _NOT_NULL:
        if getattr(request, name) is None:
            raise InvalidParams(f"{name} may not be null; leave it out for its default.")
    sampler, suffix = find_sampler((request.sampler_name or request.sampler_index or DEFAULT_SAMPLER)[:MAX_NAME_CHARS])
    # A schedule in an old sampler name wins over the scheduler beside it, as in A1111.
    scheduler = suffix or find_scheduler((request.scheduler or SCHEDULERS[0].name)[:MAX_NAME_CHARS])
    options = services.options.override(request.override_settings or {})
    refuse_unsupported(request, services.catalog)
    prompt, negative = final_prompts(services, options, request.prompt or "", request.negative_prompt or "", request.styles or [])
    values: dict[str, object] = {
        "prompt": prompt,
        "negative_prompt": negative,
        "steps": request.steps,
        "sampler": sampler.name,
        "scheduler": scheduler.label,
        "cfg_scale": request.cfg_scale,
        "seed": -1 if request.seed is None else request.seed,
        "eta": request.eta,
        "width": request.width,
        "height": request.height,
        "batch_size": request.batch_size,
        "n_iter": request.n_iter,
        "subseed": max(-1, -1 if request.subseed is None else request.subseed),
        "subseed_strength": request.subseed_strength or 0,
        "seed_resize_from_w": max(0, request.seed_resize_from_w or 0),
        "seed_resize_from_h": max(0, request.seed_resize_from_h or 0),
        "s_min_uncond": request.s_min_uncond,
        "disable_extra_networks": bool(request.disable_extra_networks),
        "merged_styles": tuple(request.styles or ()),
        "tiling": request.tiling,
        **_churn(request, options),
        **_refiner(request),
    }
    if isinstance(request, Img2ImgRequest):
        values["initial_noise_multiplier"] = request.initial_noise_multiplier
    elif request.enable_hr:
        values |= hires_values(services, request, options)
    values = options.apply_to(values)
    make_params(**{**values, "mode": "txt2img"})  # tells what is wrong before pictures are decoded
    if isinstance(request, Img2ImgRequest):
        values |= _img2img(services, request, options)
    elif request.enable_hr and request.firstpass_image:
        values["init_images"] = (store_input(services.inputs, request.firstpass_image, options.text("img2img_background_color")),)
    return Order(request, make_params(**values), options, script)


def _churn(request: GenerationRequest, options: OptionsView) -> dict[str, object]:
    """The request's s_churn and its kin, but for those that an option sets: as in A1111 that one wins, and is told in the infotext."""
    neutral: dict[str, object] = {name: GenerationParams.model_fields[name].default for name in CHURN}
    asked: dict[str, object] = {name: getattr(request, name) for name in CHURN if options[name] == neutral[name]}
    given = {name: value for name, value in asked.items() if value is not None}
    return {**given, "quiet": tuple(name for name, value in given.items() if value != neutral[name])}


def _refiner(request: GenerationRequest) -> dict[str, object]:
    """Without a share the schema's default holds."""
    name = request.refiner_checkpoint
    found: dict[str, object] = {"refiner_checkpoint": "" if name in (None, *NO_CHECKPOINT) else name}
    return found if request.refiner_switch_at is None else {**found, "refiner_switch_at": request.refiner_switch_at}


def _img2img(services: Services, request: Img2ImgRequest, options: OptionsView) -> dict[str, object]:
    pictures, most = request.init_images or [], request.batch_size or 1
    if not 1 <= len(pictures) <= most:
        raise InvalidParams(f"init_images: bad number of images passed: {len(pictures)}; expecting 1 to {most}, the batch size.")
    background = options.text("img2img_background_color")
    return {
        "mode": "img2img",
        # One picture serves a whole batch; of several each makes one, as in A1111.
        "batch_size": len(pictures) if len(pictures) > 1 else most,
        "denoising_strength": request.denoising_strength,
        # A1111 takes any other number for 0.
        "resize_mode": request.resize_mode if request.resize_mode in (1, 2, 3) else 0,
        "image_cfg_scale": request.image_cfg_scale,
        "init_images": tuple(store_input(services.inputs, picture, background) for picture in pictures),
        **mask_values(services.inputs, request),
    }
