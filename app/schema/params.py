"""What a picture is made from: one typed, frozen model that the page, the API, the command line and the infotext are views of.

A new option is one field here, with a `View` that says under which name each of those shows it; nothing else repeats the name.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.schema.errors import InvalidParams
from app.schema.hires import HiresSize, hires_size
from app.schema.inversion import Inversion
from app.schema.samplers import SamplerName

MAX_PROMPT_CHARS = 100_000
MAX_PIXELS = 64 * 1024 * 1024
"""Largest picture (width x height); what fits in memory is the engine's question, this is what is sane."""
MIN_SIDE_PX = 8
MAX_PICTURES = 10_000
"""Most pictures one job may ask for (batch size x batch count)."""
MAX_SEED = 2**64 - 1

Mode = Literal["txt2img", "img2img"]
RandomSource = Literal["CPU", "GPU", "NV"]
Emphasis = Literal["Original", "No norm", "Ignore", "None"]
NoiseSchedule = Literal["Default", "Zero Terminal SNR"]
RefinerPass = Literal["first pass", "second pass", "both passes"]
ChurnSetting = Literal["s_churn", "s_tmin", "s_tmax", "s_noise"]
CHURN: tuple[ChurnSetting, ...] = get_args(ChurnSetting)


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
    where_it_acts: bool = False
    """The infotext has the label only where the recipe says that the setting acted on the picture, whatever its value."""


class GenerationParams(BaseModel):
    """One job: `n_iter` batches of `batch_size` pictures from one set of settings. Picture i of the job has seed + i (`seed_of`)."""

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
    width: Annotated[int, View(label="Size", flags=("--W",), section="size", title="Width")] = Field(512, ge=MIN_SIDE_PX, le=16384)
    height: Annotated[int, View(label="Size", flags=("--H",), section="size", title="Height")] = Field(512, ge=MIN_SIDE_PX, le=16384)
    batch_size: Annotated[int, View(flags=("--n_samples",), section="batch", title="Batch size")] = Field(1, ge=1, le=1000)
    n_iter: Annotated[int, View(flags=("--n_iter",), section="batch", title="Batch count")] = Field(1, ge=1, le=10000)
    checkpoint: Annotated[str, View(label="Model", option="sd_model_checkpoint", flags=("--ckpt",), section="model")] = Field(
        "", max_length=1000, description="A name from the catalogue; empty: the one that is chosen in the options."
    )
    vae: Annotated[str, View(label="VAE", option="sd_vae", where_it_acts=True)] = Field(
        "Automatic",
        max_length=1000,
        description="A VAE file's name; Automatic: the one beside the checkpoint, if any; None: the checkpoint's own.",
    )
    vae_wins: Annotated[bool, View(option="sd_vae_overrides_per_model_preferences")] = Field(
        True, description="A VAE chosen by name goes before the one beside the checkpoint."
    )
    text_encoder: Annotated[str, View(label="Text encoder", option="sd_text_encoder", where_it_acts=True)] = Field(
        "", max_length=1000, description="Checkpoint whose text encoders read the prompts for the chosen one; empty: its own."
    )
    extra_lora: Annotated[str, View(option="sd_lora")] = Field(
        "None", max_length=1000, description="A LoRA whose tag is added to the prompt, unless it stands there."
    )
    extra_hypernetwork: Annotated[str, View(option="sd_hypernetwork")] = Field("None", max_length=1000, description="The same.")
    extra_networks_default_multiplier: Annotated[float, View(option="extra_networks_default_multiplier")] = Field(
        1.0, ge=-100, le=100, allow_inf_nan=False, description="The strength in tags that are added."
    )
    disable_extra_networks: bool = Field(False, description="Tags of LoRAs and hypernetworks are cut out of the prompt and do nothing.")
    clip_skip: Annotated[int, View(label="Clip skip", option="CLIP_stop_at_last_layers", section="model")] = Field(1, ge=1, le=12)
    sdxl_clip_l_skip: Annotated[bool, View(option="sdxl_clip_l_skip")] = Field(
        False, description="Clip skip also acts on SDXL's first text encoder, which ignores it as a rule."
    )
    sdxl_crop_top: Annotated[int, View(option="sdxl_crop_top")] = Field(
        0, ge=-16384, le=16384, description="What SDXL is told of the corner that its picture was cut from, in pixels."
    )
    sdxl_crop_left: Annotated[int, View(option="sdxl_crop_left")] = Field(0, ge=-16384, le=16384, description="The same.")
    sdxl_refiner_low_aesthetic_score: Annotated[float, View(option="sdxl_refiner_low_aesthetic_score")] = Field(
        2.5, ge=-1000, le=1000, allow_inf_nan=False, description="What SDXL's refiner is told of the negative prompt's picture."
    )
    sdxl_refiner_high_aesthetic_score: Annotated[float, View(option="sdxl_refiner_high_aesthetic_score")] = Field(
        6.0, ge=-1000, le=1000, allow_inf_nan=False, description="The same of the prompt's."
    )
    denoising_strength: Annotated[float | None, View(label="Denoising strength", flags=("--strength",), section="img2img")] = Field(
        None, ge=0, le=1, description="img2img and hires fix: how much is drawn anew; None there means 0.75."
    )
    resize_mode: Annotated[int, View(section="img2img", title="Resize mode")] = Field(
        0, ge=0, le=3, description="0 just resize, 1 crop and resize, 2 resize and fill, 3 just resize, in latent space."
    )
    scale_by: Annotated[float, View(title="Resize by")] = Field(
        0.0, ge=0, le=16, allow_inf_nan=False, description="img2img: the size is the input picture's times this; 0: width and height."
    )
    image_cfg_scale: Annotated[float | None, View(label="Image CFG scale", where_it_acts=True)] = Field(
        None, ge=-100, le=1000, allow_inf_nan=False, description="Checkpoints that edit pictures: how much they keep to the input picture."
    )
    initial_noise_multiplier: Annotated[float, View(label="Noise multiplier", option="initial_noise_multiplier")] = Field(
        1.0, ge=0, le=10, allow_inf_nan=False, description="Scale of img2img's first noise; below 1 softens the picture."
    )
    img2img_extra_noise: Annotated[float, View(label="Extra noise", option="img2img_extra_noise")] = Field(
        0.0, ge=0, le=10, allow_inf_nan=False, description="More noise on the picture that img2img or the hires pass begins with."
    )
    img2img_color_correction: Annotated[bool, View(option="img2img_color_correction")] = Field(
        False, description="img2img: the result has the colours of the input picture."
    )
    img2img_fix_steps: Annotated[bool, View(option="img2img_fix_steps")] = Field(
        False, description="img2img does all the steps that were asked for, whatever its strength."
    )

    # Inpainting: only what a mask covers is drawn anew.
    mask: str = Field("", max_length=100, description="Id of a stored mask, white where the picture is drawn anew; empty: all of it.")
    inversion: Inversion | None = Field(None, description="img2img begins with the noise behind the input picture, which is sought first.")
    latent_mask: str = Field(
        "", max_length=100, description="Id of a stored mask for the latents, where that is another than the one for pixels."
    )
    colour_source: str = Field(
        "", max_length=100, description="Id of a stored picture whose colours the correction gives the result; empty: the input picture."
    )
    mask_blur_x: Annotated[int, View(label="Mask blur", title="Mask blur, horizontal")] = Field(4, ge=0, le=256)
    mask_blur_y: Annotated[int, View(label="Mask blur", title="Mask blur, vertical")] = Field(4, ge=0, le=256)
    inpainting_mask_invert: Annotated[bool, View(label="Mask mode")] = Field(False, description="What the mask leaves free is drawn anew.")
    inpainting_fill: Annotated[int, View(label="Masked content")] = Field(
        1, ge=0, le=3, description="What is under the mask at first: 0 colours around it, 1 the picture, 2 latent noise, 3 nothing."
    )
    inpaint_full_res: Annotated[bool, View(label="Inpaint area", where_it_acts=True)] = Field(
        False, description="The masked part alone is drawn, at the full size."
    )
    inpaint_full_res_padding: Annotated[int, View(label="Masked area padding", title="Only masked padding, pixels", where_it_acts=True)] = (
        Field(32, ge=0, le=16384, description="How much around the masked part is seen.")
    )
    mask_round: bool = Field(True, description="Every latent is drawn anew or kept; else a grey mask mixes both.")
    inpainting_mask_weight: Annotated[float, View(label="Conditional mask weight", option="inpainting_mask_weight", where_it_acts=True)] = (
        Field(1.0, ge=0, le=1, allow_inf_nan=False, description="Inpainting checkpoints: how much of the masked part is hidden from them.")
    )
    overlay_inpaint: Annotated[bool, View(option="overlay_inpaint")] = Field(
        True, description="The result is laid over the input picture, so that it is unchanged outside the mask."
    )
    return_mask: Annotated[bool, View(option="return_mask")] = Field(False, description="The mask is among the results.")
    return_mask_composite: Annotated[bool, View(option="return_mask_composite")] = Field(
        False, description="What was drawn under the mask, alone, is among the results."
    )
    save_mask: Annotated[bool, View(option="save_mask")] = Field(False, description="The mask is saved beside the picture.")
    save_mask_composite: Annotated[bool, View(option="save_mask_composite")] = Field(
        False, description="What was drawn under the mask, alone, is saved beside the picture."
    )
    soft_inpainting: Annotated[bool, View(label="Soft inpainting enabled", title="Soft inpainting")] = Field(
        False, description="The mask's greys blend gradually with the picture in every step."
    )
    soft_inpainting_bias: Annotated[int | float, View(label="Soft inpainting schedule bias", title="Schedule bias")] = Field(
        1, ge=0, le=100, allow_inf_nan=False, description="High: the picture is kept in the late steps; low: in the early ones."
    )
    soft_inpainting_preservation: Annotated[
        int | float, View(label="Soft inpainting preservation strength", title="Preservation strength")
    ] = Field(0.5, ge=0, le=100, allow_inf_nan=False, description="How much of the picture is kept where the mask is partly there.")
    soft_inpainting_contrast: Annotated[
        int | float, View(label="Soft inpainting transition contrast boost", title="Transition contrast boost")
    ] = Field(4, ge=1, le=1000, allow_inf_nan=False, description="Against the loss of contrast where picture and drawing are blended.")
    soft_inpainting_mask_influence: Annotated[int | float, View(label="Soft inpainting mask influence", title="Mask influence")] = Field(
        0, ge=0, le=1, allow_inf_nan=False, description="How much the mask bears on the last blend of pixels."
    )
    soft_inpainting_threshold: Annotated[int | float, View(label="Soft inpainting difference threshold", title="Difference threshold")] = (
        Field(0.5, ge=0, le=1000, allow_inf_nan=False, description="How much a pixel has to change to hide the original.")
    )
    soft_inpainting_difference_contrast: Annotated[
        int | float, View(label="Soft inpainting difference contrast", title="Difference contrast")
    ] = Field(2, ge=0, le=1000, allow_inf_nan=False, description="How sharp the border is between changed and original pixels.")

    # Hires fix: the picture is enlarged and a part of the schedule runs again.
    enable_hr: Annotated[bool, View(section="hires", title="Hires. fix")] = Field(
        False, description="txt2img: enlarge the picture and draw it once more with more detail."
    )
    hr_upscaler: Annotated[str, View(section="hires", label="Hires upscaler", title="Upscaler")] = Field(
        "", max_length=100, description="How the first picture is enlarged; empty: Latent."
    )
    hr_second_pass_steps: Annotated[int, View(section="hires", label="Hires steps")] = Field(
        0, ge=0, le=1000, description="Steps of the hires pass; 0: as many as the first has."
    )
    hr_scale: Annotated[float, View(section="hires", label="Hires upscale", title="Upscale by")] = Field(
        2.0, ge=0.1, le=16, allow_inf_nan=False, description="How many times wider and higher."
    )
    hr_resize_x: Annotated[int, View(section="hires", label="Hires resize", title="Resize width to")] = Field(
        0, ge=0, le=16384, description="A width to reach in place of the factor; 0: from the height, or none."
    )
    hr_resize_y: Annotated[int, View(section="hires", label="Hires resize", title="Resize height to")] = Field(
        0, ge=0, le=16384, description="A height to reach; with both numbers what sticks out is cut off."
    )
    hr_checkpoint: Annotated[
        str, View(section="hires", label="Hires checkpoint", api="hr_checkpoint_name", title="Hires checkpoint", where_it_acts=True)
    ] = Field("", max_length=1000, description="Checkpoint of the hires pass; empty: the same.")
    hr_sampler: Annotated[str, View(section="hires", label="Hires sampler", api="hr_sampler_name", title="Hires sampling method")] = Field(
        "", max_length=100, description="Sampler of the hires pass; empty: the same."
    )
    hr_scheduler: Annotated[str, View(section="hires", label="Hires schedule type")] = Field(
        "", max_length=100, description="Schedule of the hires pass; empty: the same."
    )
    hr_cfg: Annotated[float | None, View(section="hires", label="Hires CFG Scale")] = Field(
        None, ge=-100, le=1000, allow_inf_nan=False, description="CFG scale of the hires pass; None: the same."
    )
    hr_prompt: Annotated[str, View(section="hires", label="Hires prompt")] = Field(
        "", max_length=MAX_PROMPT_CHARS, description="Prompt of the hires pass; empty: the same."
    )
    hr_negative_prompt: Annotated[str, View(section="hires", label="Hires negative prompt")] = Field(
        "", max_length=MAX_PROMPT_CHARS, description="Negative prompt of the hires pass; empty: the same."
    )
    hires_fix_use_firstpass_conds: Annotated[bool, View(option="hires_fix_use_firstpass_conds")] = Field(
        False, description="The first pass's checkpoint reads the prompts of the hires pass, too."
    )
    save_images_before_highres_fix: Annotated[bool, View(option="save_images_before_highres_fix")] = Field(
        False, description="The picture of the first pass is saved, too."
    )
    use_old_hires_fix_width_height: Annotated[bool, View(option="use_old_hires_fix_width_height")] = Field(
        False, description="Width and height are those of the finished picture; the first one has about 512x512 pixels."
    )

    # Refiner: another checkpoint for the end of a pass.
    refiner_checkpoint: Annotated[str, View(section="refiner", label="Refiner", title="Checkpoint", where_it_acts=True)] = Field(
        "", max_length=1000, description="Checkpoint that finishes the picture; empty: none."
    )
    refiner_switch_at: Annotated[float, View(section="refiner", label="Refiner switch at", title="Switch at", where_it_acts=True)] = Field(
        0.8, ge=0, le=1, allow_inf_nan=False, description="Share of the way after which the refiner takes over; 1: never."
    )
    refiner_switch_by_sample_steps: Annotated[
        bool, View(label="Refiner switch by sampling steps", option="refiner_switch_by_sample_steps", where_it_acts=True)
    ] = Field(False, description="The way is counted in denoiser calls and not in the model's timesteps.")
    hires_fix_refiner_pass: Annotated[RefinerPass, View(label="Hires refiner", option="hires_fix_refiner_pass", where_it_acts=True)] = (
        Field("second pass", description="Which pass of a picture with hires fix the refiner finishes.")
    )

    # How the networks run.
    tiling: Annotated[bool, View(section="extras", label="Tiling", option="tiling")] = Field(
        False, description="The picture's edges fit each other, so that it can be laid like tiles."
    )
    sd_noise_schedule: Annotated[NoiseSchedule, View(label="Noise Schedule", option="sd_noise_schedule")] = Field(
        "Default", description="Zero Terminal SNR begins with pure noise, for models trained so."
    )
    use_downcasted_alpha_bar: Annotated[bool, View(label="Downcast alphas_cumprod", option="use_downcasted_alpha_bar")] = Field(
        False, description="The model's noise levels are rounded to 16 bits, as old versions of A1111 did."
    )
    token_merging_ratio: Annotated[float, View(label="Token merging ratio", option="token_merging_ratio")] = Field(
        0.0, ge=0, le=0.9, allow_inf_nan=False, description="Share of like pixels that attention takes together: faster, with less detail."
    )
    token_merging_ratio_img2img: Annotated[float, View(option="token_merging_ratio_img2img")] = Field(
        0.0, ge=0, le=0.9, allow_inf_nan=False, description="That of img2img; 0: the same."
    )
    token_merging_ratio_hr: Annotated[float, View(label="Token merging ratio hr", option="token_merging_ratio_hr")] = Field(
        0.0, ge=0, le=0.9, allow_inf_nan=False, description="That of the hires pass; 0: the same."
    )

    # How much noise a step brings back, after Karras et al. 2022 and in A1111's names.
    eta_ancestral: Annotated[float, View(option="eta_ancestral")] = Field(
        1.0, ge=0, le=10, allow_inf_nan=False, description="Where eta is None: that of samplers that bring fresh noise by their nature."
    )
    eta_ddim: Annotated[float, View(option="eta_ddim")] = Field(
        0.0, ge=0, le=10, allow_inf_nan=False, description="Where eta is None: that of DDIM and its kin."
    )
    s_churn: Annotated[float, View(label="Sigma churn", option="s_churn")] = Field(0.0, ge=0, le=1000, allow_inf_nan=False)
    s_tmin: Annotated[float, View(label="Sigma tmin", option="s_tmin")] = Field(0.0, ge=0, le=10000, allow_inf_nan=False)
    s_tmax: Annotated[float, View(label="Sigma tmax", option="s_tmax")] = Field(
        0.0, ge=0, le=1e6, allow_inf_nan=False, description="0: no upper end."
    )
    s_noise: Annotated[float, View(label="Sigma noise", option="s_noise")] = Field(1.0, ge=0, le=100, allow_inf_nan=False)
    quiet: tuple[ChurnSetting, ...] = Field(
        (), description="Settings the infotext leaves out although they act: A1111 does not tell those of an API request's own fields."
    )

    # The schedule; 0 for its ends and rho: its own.
    sigma_min: Annotated[float, View(label="Schedule min sigma", option="sigma_min")] = Field(0.0, ge=0, le=1e6, allow_inf_nan=False)
    sigma_max: Annotated[float, View(label="Schedule max sigma", option="sigma_max")] = Field(0.0, ge=0, le=1e6, allow_inf_nan=False)
    rho: Annotated[float, View(label="Schedule rho", option="rho")] = Field(0.0, ge=0, le=1000, allow_inf_nan=False)
    use_old_karras_scheduler_sigmas: Annotated[bool, View(option="use_old_karras_scheduler_sigmas")] = Field(
        False, description="Every schedule runs from sigma 10 to 0.1."
    )
    always_discard_next_to_last_sigma: Annotated[
        bool, View(label="Discard penultimate sigma", option="always_discard_next_to_last_sigma")
    ] = False
    sgm_noise_multiplier: Annotated[bool, View(label="SGM noise multiplier", option="sgm_noise_multiplier")] = Field(
        False, description="The first noise is scaled by sqrt(1 + sigma_max^2), as Stability's own code does."
    )
    beta_dist_alpha: Annotated[float, View(label="Beta schedule alpha", option="beta_dist_alpha")] = Field(
        0.6, gt=0, le=100, allow_inf_nan=False
    )
    beta_dist_beta: Annotated[float, View(label="Beta schedule beta", option="beta_dist_beta")] = Field(
        0.6, gt=0, le=100, allow_inf_nan=False
    )
    uni_pc_variant: Annotated[Literal["bh1", "bh2"], View(option="uni_pc_variant")] = "bh1"
    uni_pc_skip_type: Annotated[Literal["time_uniform", "time_quadratic", "logSNR"], View(option="uni_pc_skip_type")] = "time_uniform"
    uni_pc_order: Annotated[int, View(option="uni_pc_order")] = Field(3, ge=1, le=50)
    uni_pc_lower_order_final: Annotated[bool, View(option="uni_pc_lower_order_final")] = True
    no_dpmpp_sde_batch_determinism: Annotated[bool, View(option="no_dpmpp_sde_batch_determinism")] = Field(
        False, description="The pictures of a batch share one Brownian motion, so they depend on the batch's size."
    )

    # Seeds beside the seed.
    eta_noise_seed_delta: Annotated[int, View(label="ENSD", option="eta_noise_seed_delta")] = Field(
        0, ge=-MAX_SEED, le=MAX_SEED, description="Added to the seed for all noise after the first."
    )
    randn_source: Annotated[RandomSource, View(label="RNG", option="randn_source")] = Field(
        "GPU", description="NV gives the numbers of a CUDA card; the other two are the same here."
    )
    subseed: Annotated[int, View(section="extras", label="Variation seed")] = Field(
        -1, ge=-1, le=MAX_SEED, description="-1: drawn when the job is accepted. With a strength picture i has subseed + i."
    )
    subseed_strength: Annotated[float, View(section="extras", label="Variation seed strength")] = Field(
        0.0, ge=0, le=1, allow_inf_nan=False
    )
    seed_resize_from_w: Annotated[int, View(section="extras", title="Resize seed from width", label="Seed resize from")] = Field(
        0, ge=0, le=16384, description="Size of a picture whose noise is laid into this one's; 0 for either: none."
    )
    seed_resize_from_h: Annotated[int, View(section="extras", title="Resize seed from height", label="Seed resize from")] = Field(
        0, ge=0, le=16384
    )

    # How prompts are read.
    emphasis: Annotated[Emphasis, View(label="Emphasis", option="emphasis", where_it_acts=True)] = "Original"
    comma_padding_backtrack: Annotated[int, View(option="comma_padding_backtrack")] = Field(
        20, ge=0, le=75, description="Tokens after a comma that move to the next chunk together."
    )
    use_old_scheduling: Annotated[bool, View(label="Old prompt editing timelines", option="use_old_scheduling", where_it_acts=True)] = False
    use_old_emphasis_implementation: Annotated[bool, View(option="use_old_emphasis_implementation")] = False

    # When the negative prompt is left out, and how prompts of different lengths are brought to one.
    skip_early_cond: Annotated[float, View(label="Skip Early CFG", option="skip_early_cond", where_it_acts=True)] = Field(
        0.0, ge=0, le=1, allow_inf_nan=False, description="Share of the steps, from the first on, without negative prompt."
    )
    s_min_uncond: Annotated[float, View(label="NGMS", option="s_min_uncond", where_it_acts=True)] = Field(
        0.0, ge=0, le=1e6, allow_inf_nan=False, description="Below this sigma every second step is without negative prompt."
    )
    s_min_uncond_all: Annotated[bool, View(label="NGMS all steps", option="s_min_uncond_all", where_it_acts=True)] = False
    pad_cond_uncond: Annotated[bool, View(label="Pad conds", option="pad_cond_uncond", where_it_acts=True)] = False
    pad_cond_uncond_v0: Annotated[bool, View(label="Pad conds v0", option="pad_cond_uncond_v0", where_it_acts=True)] = False

    merged_styles: tuple[str, ...] = Field((), max_length=1000, description="Styles that are in the prompts already; for file names.")
    init_images: tuple[str, ...] = Field((), max_length=1000, description="Ids of stored input pictures (their sha256).")
    vae_tiling: Annotated[bool, View(label="VAE tiling", section="engine", title="Tiled VAE", where_it_acts=True)] = Field(
        False, description="Pictures are decoded in overlapping tiles: less memory, a slightly other picture. Also done where memory asks."
    )
    exact: Annotated[bool, View(section="engine", title="Exact")] = Field(
        False, description="Forwards hold this job's rows only, so the picture is byte-equal to the one made alone."
    )

    @field_validator("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")
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
        check_starts(len(self.init_images), self.batch_size)
        if self.mask and self.mode != "img2img":
            raise ValueError("a mask needs a picture to start from: it is for img2img")
        if self.enable_hr and self.mode == "txt2img":
            width, height = self.hires_size.picture
            if width * height > MAX_PIXELS:
                raise ValueError(f"the hires fix would make {width}x{height}, over the limit of {MAX_PIXELS // 1024**2} megapixels")
            if min(width, height) < MIN_SIDE_PX:
                raise ValueError(f"the hires fix would make {width}x{height}; sides of at least {MIN_SIDE_PX} pixels are possible")
        return self

    @property
    def pictures(self) -> int:
        """How many pictures the job makes."""
        return self.batch_size * self.n_iter

    def seed_of(self, index: int) -> int:
        """Seed of picture `index` of the job: with a variation it stays, and the variation's seed counts."""
        return self.seed if self.subseed_strength else self.seed + index

    def eta_of(self, sampler: SamplerName) -> float:
        """The eta a sampler runs with, if it knows one."""
        if self.eta is not None:
            return self.eta
        return self.eta_ddim if sampler.on_timesteps else self.eta_ancestral

    @property
    def strength(self) -> float:
        """Denoising strength of img2img and the hires pass with its default filled in."""
        return 0.75 if self.denoising_strength is None else self.denoising_strength

    def scaled_to(self, picture_width: int, picture_height: int) -> "GenerationParams":
        """With `scale_by` resolved to a width and a height, for an input picture of this size; InvalidParams if they are out of range.

        As A1111's "Resize by" they are cut to whole numbers, and further to a multiple of 8, which is what is drawn.
        """
        if not self.scale_by:
            return self
        size = {
            "width": max(MIN_SIDE_PX, int(picture_width * self.scale_by) // 8 * 8),
            "height": max(MIN_SIDE_PX, int(picture_height * self.scale_by) // 8 * 8),
        }
        return make_params(**{**self.model_dump(), **size, "scale_by": 0.0})

    @property
    def has_hires(self) -> bool:
        """Whether there is a hires pass."""
        return self.enable_hr and self.mode == "txt2img"

    @property
    def hires_size(self) -> HiresSize:
        """Where the hires pass leads."""
        return hires_size(self.width, self.height, self.hr_scale, (self.hr_resize_x, self.hr_resize_y))

    @property
    def token_merging(self) -> float:
        """The ratio of the first pass, or of img2img."""
        own = self.token_merging_ratio_img2img if self.mode == "img2img" else 0.0
        return own or self.token_merging_ratio

    @property
    def token_merging_hires(self) -> float:
        """The ratio of the hires pass."""
        return self.token_merging_ratio_hr or self.token_merging_ratio


def check_starts(pictures: int, batch_size: int) -> None:
    """ValueError where there are more input pictures than a batch has room for: the others would be stored and never looked at."""
    if pictures > batch_size:
        raise ValueError(f"img2img takes at most one picture for each of a batch: {pictures} pictures for batch size {batch_size}")


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
