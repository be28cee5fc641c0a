"""The answer of txt2img and img2img: pictures, the request as understood, and A1111's `info` (JSON in JSON)."""

import json
import re
import time
from collections.abc import Mapping

from app.api.sdapi.errors import FourKeyError
from app.api.sdapi.pictures import encode_base64
from app.api.sdapi.requests import Img2ImgRequest
from app.api.sdapi.translate import Order
from app.api.services import Services
from app.jobs import JobView, PictureView
from app.jobs.views import together
from app.metadata import OWN_LABELS, split_infotext
from app.schema.errors import UnknownName
from app.schema.samplers import SAMPLERS

A1111_VERSION = "v1.10.1"
"""Whose API this is; clients look at it to know what they may ask for."""
_MASK_WEIGHT = "Conditional mask weight"
_HIRES_PROMPTS = ("Hires prompt", "Hires negative prompt")
"""Null in A1111's dictionary, whatever they are; its infotext has them."""
_NO_EXTRA = frozenset({*OWN_LABELS, *_HIRES_PROMPTS, "Token merging ratio", "Token merging ratio hr"})
_ON_TIMESTEPS = frozenset(sampler.name for sampler in SAMPLERS if sampler.on_timesteps)
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?(e-?[0-9]{1,2})?")


def answer_of(services: Services, order: Order, job: JobView) -> bytes:
    """The body as JSON; FourKeyError if the job failed or was dropped."""
    if job.error is not None:
        raise FourKeyError(job.error.status, error=job.error.code, errors=job.error.message)
    if job.state == "cancelled":
        raise FourKeyError(409, error="Cancelled", errors="The job was cancelled before its pictures were done.")
    if not job.is_over:
        raise FourKeyError(503, error="EngineStopped", errors=f"{job.again or 'The server is being restarted.'} It is job {job.id}.")
    send = order.request.send_images is not False
    images = [encode_base64(services.jobs.picture_bytes(picture.id)) for picture in _shown(order, job)] if send else []
    body = {"images": images, "parameters": _echo(order), "info": json.dumps(_info(services, order, job))}
    return json.dumps(body).encode()


def _shown(order: Order, job: JobView) -> list[PictureView]:
    """The grid first, where pictures are saved; then each picture with what is shown beside it."""
    if job.script is not None:
        return list(job.shown)
    grid = _grid(order, job)
    return [*([] if grid is None else [grid]), *together(job.pictures, job.beside)]


def _grid(order: Order, job: JobView) -> PictureView | None:
    return job.grid if order.request.save_images and not order.request.do_not_save_grid else None


def _echo(order: Order) -> dict[str, object]:
    """The request with all defaults; its pictures only on request, because they are large."""
    echo = order.request.model_dump()
    if echo.get("hr_cfg") is None:
        echo.pop("hr_cfg", None)  # no field of A1111's
    if isinstance(order.request, Img2ImgRequest) and not order.request.include_init_images:
        echo |= {"init_images": None, "mask": None}
    return echo


def _info(services: Services, order: Order, job: JobView) -> dict[str, object]:
    params, request = job.params, order.request
    count = (request.batch_size or 1) * (request.n_iter or 1)
    texts = _texts(order, job)
    said = dict(split_infotext(texts[0])[2]) if texts else {}
    model_name, model_hash = _model(services, params.checkpoint, said)
    info: dict[str, object] = {
        "prompt": params.prompt,
        "all_prompts": [params.prompt] * count,
        "negative_prompt": params.negative_prompt,
        "all_negative_prompts": [params.negative_prompt] * count,
        "seed": params.seed,
        "all_seeds": [params.seed_of(i) for i in range(count)],
        # A variation seed is named even where it has no effect, as A1111 does.
        "subseed": params.subseed,
        "all_subseeds": [params.subseed + i for i in range(count)],
        "subseed_strength": params.subseed_strength,
        "width": params.width,
        "height": params.height,
        "sampler_name": params.sampler,
        "cfg_scale": params.cfg_scale,
        "steps": params.steps,
        "batch_size": params.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": model_name,
        "sd_model_hash": model_hash,
        "sd_vae_name": said.get("VAE"),
        "sd_vae_hash": said.get("VAE hash"),
        "seed_resize_from_w": request.seed_resize_from_w,
        "seed_resize_from_h": request.seed_resize_from_h,
        "denoising_strength": params.strength if params.mode == "img2img" else request.denoising_strength,
        "extra_generation_params": _extra(said),
        "index_of_first_image": 0 if _grid(order, job) is None else 1,
        "infotexts": texts,
        "styles": request.styles or [],
        "job_timestamp": timestamp_of(job),
        "clip_skip": params.clip_skip,
        "is_using_inpainting_conditioning": _MASK_WEIGHT in said,
        "version": A1111_VERSION,
    }
    return info | _of_script(job)


def _texts(order: Order, job: JobView) -> list[str]:
    """Infotexts of the pictures, but for those beside a result; a script says itself which these are."""
    if job.outcome is None:
        return [picture.infotext for picture in _shown(order, job) if picture.beside is None]
    own = {picture.number: picture.infotext for picture in (*([job.grid] if job.grid else []), *job.further_grids, *job.pictures)}
    return [own.get(text, "") if isinstance(text, int) else text for text in job.outcome.infotexts]


def _of_script(job: JobView) -> dict[str, object]:
    """What a script says in place of its job's settings."""
    outcome = job.outcome
    if outcome is None:
        return {}
    prompts, negatives = list(outcome.prompts), list(outcome.negative_prompts)
    said = {"index_of_first_image": outcome.first, "all_seeds": list(outcome.seeds), "all_prompts": prompts}
    first = {"prompt": prompts[0], "negative_prompt": negatives[0]} if prompts else {}
    return said | first | {"all_negative_prompts": negatives, "all_subseeds": [job.params.subseed] * len(outcome.seeds)}


def timestamp_of(job: JobView) -> str:
    """When the job was taken up, as A1111 writes times: YYYYMMDDhhmmss, local."""
    return time.strftime("%Y%m%d%H%M%S", time.localtime(job.started or job.created))


def _model(services: Services, name: str, said: Mapping[str, str]) -> tuple[str, str | None]:
    """(name, short hash) as the pictures say, or as the catalogue does where an option keeps it out of the pictures."""
    if "Model" in said and "Model hash" in said:
        return said["Model"], said["Model hash"]
    try:
        file = services.catalog.find(name)
    except UnknownName:  # deleted while the job ran
        return name, None
    return file.name, file.short_hash


def _extra(said: Mapping[str, str]) -> dict[str, object]:
    """What A1111's own dictionary of further settings holds: the schedule only of samplers that it hands sigmas to, and not the usual one;
    of the hires fix also what is not set.
    """
    found: dict[str, object] = {label: _typed(value) for label, value in said.items() if label not in _NO_EXTRA}
    if found.get("Schedule type") == "Automatic" or said.get("Sampler") in _ON_TIMESTEPS:
        found.pop("Schedule type", None)
    if "Hires upscaler" in said:
        found = dict.fromkeys((*_HIRES_PROMPTS, "Hires schedule type")) | found
    return found


def _typed(value: str) -> object:
    """A number, True or False where the text is one."""
    if value in ("True", "False"):
        return value == "True"
    if not _NUMBER.fullmatch(value):
        return value
    return int(value) if value.lstrip("-").isdecimal() else float(value)
