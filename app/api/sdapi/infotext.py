"""The request field `infotext`: fills what the request does not set; settings in it act on this request only."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from app.api.sdapi.requests import GenerationRequest, Img2ImgRequest, Txt2ImgRequest
from app.jobs import OptionsStore
from app.metadata import parse_infotext
from app.metadata.styles import Style
from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, view_of

_BOTH: Mapping[str, str] = {
    "seed": "Seed",
    "subseed": "Variation seed",
    "subseed_strength": "Variation seed strength",
    "seed_resize_from_w": "Seed resize from-1",
    "seed_resize_from_h": "Seed resize from-2",
    "sampler_name": "Sampler",
    "scheduler": "Schedule type",
    "steps": "Steps",
    "refiner_checkpoint": "Refiner",
    "refiner_switch_at": "Refiner switch at",
    "tiling": "Tiling",
}
_TXT2IMG: Mapping[str, str] = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "styles": "Styles array",
    "cfg_scale": "CFG scale",
    "width": "Size-1",
    "height": "Size-2",
    "denoising_strength": "Denoising strength",
    "hr_scale": "Hires upscale",
    "hr_upscaler": "Hires upscaler",
    "hr_second_pass_steps": "Hires steps",
    "hr_resize_x": "Hires resize-1",
    "hr_resize_y": "Hires resize-2",
    "hr_checkpoint_name": "Hires checkpoint",
    "hr_sampler_name": "Hires sampler",
    "hr_scheduler": "Hires schedule type",
    "hr_prompt": "Hires prompt",
    "hr_negative_prompt": "Hires negative prompt",
}
_OPTIONS: Mapping[str, str] = {
    "Eta": "eta_ancestral",
    "Eta DDIM": "eta_ddim",
    "Token merging ratio": "token_merging_ratio",
    "Token merging ratio hr": "token_merging_ratio_hr",
    "Noise Schedule": "sd_noise_schedule",
    "Downcast alphas_cumprod": "use_downcasted_alpha_bar",
    "Refiner switch by sampling steps": "refiner_switch_by_sample_steps",
    "VAE": "sd_vae",
    "Text encoder": "sd_text_encoder",
    "VAE Encoder": "sd_vae_encode_method",
    "VAE Decoder": "sd_vae_decode_method",
    "FP8 weight": "fp8_storage",
}
"""Settings of an infotext that are options; where one is not there yet, the options refuse it with the reason."""


def fill_from_infotext(request: GenerationRequest, options: OptionsStore, styles: Sequence[Style]) -> GenerationRequest:
    """The request with its unset fields and `override_settings` filled; InvalidParams for a value that does not fit.

    As in A1111, img2img takes of it what its sampler, seed and refiner parts say: no prompt, CFG scale, size or strength. The checkpoint
    stays the chosen one.
    """
    if not request.infotext:
        return request
    said = parse_infotext(request.infotext, styles)
    labels = _BOTH if isinstance(request, Img2ImgRequest) else {**_BOTH, **_TXT2IMG}
    filled: dict[str, object] = {name: said[label] for name, label in labels.items() if label in said}
    if isinstance(request, Txt2ImgRequest) and "Denoising strength" in said and {"Hires upscale", "Hires upscaler"} & said.keys():
        filled["enable_hr"] = True
    given = {name: getattr(request, name) for name in request.model_fields_set}
    overrides = options.override(_settings(said)).overrides | (request.override_settings or {})
    if overrides:
        given["override_settings"] = overrides
    try:
        return type(request).model_validate({**filled, **given})
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InvalidParams(f"infotext: {labels.get(str(wrong['loc'][0]), wrong['loc'][0])}: {wrong['msg']}.") from error


def _settings(said: Mapping[str, object]) -> dict[str, object]:
    """Options by name that the infotext states, the checkpoint apart."""
    own = {view_of(field).label: view_of(field).option for field in GenerationParams.model_fields if field != "checkpoint"}
    found: dict[str, object] = {}
    for label, value in said.items():
        option = own.get(label) or _OPTIONS.get(label)
        if option is not None:
            found[option] = value
    return found
