"""From a job's settings to what the sampling layer takes."""

from collections.abc import Iterable, Sequence
from math import inf

from app.recipes.ops import ModelInfo
from app.sampling.guidance import NegativeSkips
from app.sampling.noise import PictureNoise, Variation
from app.sampling.options import SamplerOptions, UniPCOptions
from app.sampling.samplers import SamplerSpec
from app.schema.params import GenerationParams, view_of


def sampler_options(params: GenerationParams, spec: SamplerSpec, info: ModelInfo) -> SamplerOptions:
    """What the sampler and its schedule are told."""
    return SamplerOptions(
        eta=params.eta_of(spec.name),
        s_churn=params.s_churn,
        s_tmin=params.s_tmin,
        s_tmax=params.s_tmax or inf,
        s_noise=params.s_noise,
        sigma_min=params.sigma_min,
        sigma_max=params.sigma_max,
        rho=params.rho,
        old_karras_sigmas=params.use_old_karras_scheduler_sigmas,
        discard_penultimate=params.always_discard_next_to_last_sigma,
        sgm_noise_multiplier=params.sgm_noise_multiplier,
        beta_alpha=params.beta_dist_alpha,
        beta_beta=params.beta_dist_beta,
        sdxl=info.rules.aligns_as_sdxl,
        uni_pc=UniPCOptions(
            variant=params.uni_pc_variant,
            skip_type=params.uni_pc_skip_type,
            order=params.uni_pc_order,
            lower_order_final=params.uni_pc_lower_order_final,
        ),
    )


def picture_noise(params: GenerationParams, first: int, shape: Sequence[int], info: ModelInfo, span: Sequence[float] = ()) -> PictureNoise:
    """The noise of the batch whose first picture is number `first` of the job; `shape` is (channels, height/8, width/8)."""
    numbers = range(first, first + params.batch_size)
    variation = None
    if params.subseed_strength:
        variation = Variation(seeds=tuple(params.subseed + i for i in numbers), strength=params.subseed_strength)
    resize_from = params.seed_resize_from_h // 8, params.seed_resize_from_w // 8
    return PictureNoise(
        [params.seed_of(i) for i in numbers],
        shape,
        device=info.device,
        kind=params.randn_source,
        variation=variation,
        resize_from=resize_from if min(resize_from) > 0 else None,
        seed_delta=params.eta_noise_seed_delta,
        span=span,
        shared_motion=params.no_dpmpp_sde_batch_determinism,
    )


def negative_skips(params: GenerationParams, calls: int) -> NegativeSkips:
    """When a pass of so many denoiser calls leaves the negative prompt out."""
    return NegativeSkips(
        early=params.skip_early_cond,
        calls=calls,
        below=params.s_min_uncond,
        every_call=params.s_min_uncond_all,
    )


def acted(params: GenerationParams, names: Iterable[str]) -> dict[str, str]:
    """Infotext fields of settings that are told only where they acted."""
    return {label_of(name): str(getattr(params, name)) for name in names}


def label_of(name: str) -> str:
    """What the infotext calls a field of GenerationParams that it can tell."""
    label = view_of(name).label
    assert label is not None, f"GenerationParams.{name} has lost its infotext label"
    return label
