"""What /sdapi/v1 routes take: A1111's fields, defaults and leniency. Unknown fields are ignored and not echoed."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from app.api.sdapi.lenient import Integer, Items, Mapping, Number, RequiredInteger, RequiredNumber, RequiredText, Switch, Text, Texts

MAX_SIDE_PX = 16384


class Lenient(BaseModel):
    """A request body as A1111 reads it."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class _Common(Lenient):
    prompt: Text = ""
    negative_prompt: Text = ""
    styles: Texts = None
    seed: Integer = -1
    subseed: Integer = -1
    subseed_strength: Number = 0
    seed_resize_from_h: Integer = -1
    seed_resize_from_w: Integer = -1
    sampler_name: Text = None
    scheduler: Text = None
    batch_size: Integer = 1
    n_iter: Integer = 1
    steps: Integer = 50
    cfg_scale: Number = 7.0
    width: Integer = 512
    height: Integer = 512
    restore_faces: Switch = None
    tiling: Switch = None
    do_not_save_samples: Switch = False
    do_not_save_grid: Switch = False
    eta: Number = None
    denoising_strength: Number = None
    s_min_uncond: Number = None
    s_churn: Number = None
    s_tmax: Number = None
    s_tmin: Number = None
    s_noise: Number = None
    override_settings: Mapping = None
    override_settings_restore_afterwards: Switch = True
    refiner_checkpoint: Text = None
    refiner_switch_at: Number = None
    disable_extra_networks: Switch = False
    firstpass_image: Text = None
    comments: Mapping = None


class _Hires(Lenient):
    enable_hr: Switch = False
    firstphase_width: Integer = 0
    firstphase_height: Integer = 0
    hr_scale: Number = 2.0
    hr_upscaler: Text = None
    hr_second_pass_steps: Integer = 0
    hr_resize_x: Integer = 0
    hr_resize_y: Integer = 0
    hr_checkpoint_name: Text = None
    hr_sampler_name: Text = None
    hr_scheduler: Text = None
    hr_prompt: Text = ""
    hr_negative_prompt: Text = ""
    hr_cfg: Number = None


class _Inpaint(Lenient):
    init_images: Items = None
    resize_mode: Integer = 0
    image_cfg_scale: Number = None
    mask: Text = None
    mask_blur_x: Integer = 4
    mask_blur_y: Integer = 4
    mask_blur: Integer = None
    mask_round: Switch = True
    inpainting_fill: Integer = 0
    inpaint_full_res: Switch = True
    inpaint_full_res_padding: Integer = 0
    inpainting_mask_invert: Integer = 0
    initial_noise_multiplier: Number = None
    latent_mask: Text = None


class _Task(Lenient):
    force_task_id: Text = None
    sampler_index: Text = "Euler"


class _Init(Lenient):
    include_init_images: Switch = False


class _Script(Lenient):
    script_name: Text = None
    script_args: Items = []
    send_images: Switch = True
    save_images: Switch = False
    alwayson_scripts: Mapping = {}
    infotext: Text = None


class Txt2ImgRequest(_Script, _Task, _Hires, _Common):
    """POST /sdapi/v1/txt2img. The order of the bases, last first, is the order of the fields in the answer's `parameters`."""


class Img2ImgRequest(_Script, _Init, _Task, _Inpaint, _Common):
    """POST /sdapi/v1/img2img."""

    denoising_strength: RequiredNumber = 0.75


GenerationRequest = Txt2ImgRequest | Img2ImgRequest


class PngInfoRequest(Lenient):
    """POST /sdapi/v1/png-info."""

    image: RequiredText


class InterrogateRequest(Lenient):
    """POST /sdapi/v1/interrogate."""

    image: Text = ""
    model: Text = "clip"


class ProgressRequest(Lenient):
    """POST /internal/progress."""

    id_task: Text = None
    id_live_preview: Integer = -1
    live_preview: Switch = True


def _permitted(*choices: int) -> Any:
    """A validator with pydantic 1's words for a Literal of integers."""

    def check(value: object) -> object:
        if value not in choices or isinstance(value, bool):
            words = ", ".join(map(str, choices))
            raise PydanticCustomError(
                "value_error.const", "unexpected value; permitted: {words}", {"given": value, "permitted": list(choices), "words": words}
            )
        return value

    return BeforeValidator(check)


Visibility = Annotated[RequiredNumber, Field(ge=0, le=1)]


class _Upscale(Lenient):
    resize_mode: Annotated[Literal[0, 1], _permitted(0, 1)] = 0
    show_extras_results: Switch = True
    gfpgan_visibility: Visibility = 0
    codeformer_visibility: Visibility = 0
    codeformer_weight: Visibility = 0
    upscaling_resize: Annotated[RequiredNumber, Field(gt=0)] = 2.0
    upscaling_resize_w: Annotated[RequiredInteger, Field(ge=1, le=MAX_SIDE_PX)] = 512
    upscaling_resize_h: Annotated[RequiredInteger, Field(ge=1, le=MAX_SIDE_PX)] = 512
    upscaling_crop: Switch = True
    upscaler_1: Text = "None"
    upscaler_2: Text = "None"
    extras_upscaler_2_visibility: Visibility = 0
    upscale_first: Switch = False


class ExtraSingleRequest(_Upscale):
    """POST /sdapi/v1/extra-single-image."""

    image: Text = ""


class NamedPicture(Lenient):
    """One picture of a batch: base64 data and a file name."""

    data: RequiredText
    name: RequiredText


class ExtraBatchRequest(_Upscale):
    """POST /sdapi/v1/extra-batch-images."""

    imageList: list[NamedPicture]  # noqa: N815 - A1111's name
