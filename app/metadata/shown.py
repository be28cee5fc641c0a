"""Which settings inside samplers, schedules and noise an infotext names, by A1111's rules: mostly those that act and are not neutral."""

from collections.abc import Iterator

from app.metadata.names import hires_sampler, hires_schedule_label, known_scheduler, schedule_label
from app.schema.params import CHURN, GenerationParams
from app.schema.samplers import SamplerName

RULED = frozenset(
    {"eta_noise_seed_delta", "subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h", "sigma_min", "sigma_max", "rho"}
    | {"beta_dist_alpha", "beta_dist_beta", "always_discard_next_to_last_sigma", "sgm_noise_multiplier", *CHURN}
)
"""Fields of GenerationParams that `shown_settings` decides about."""


def shown_settings(params: GenerationParams, sampler: SamplerName | None, index: int) -> Iterator[tuple[str, object]]:
    """(field, value) of those of `RULED` that belong into the infotext of picture `index`; `sampler` is None if it is unknown here."""
    if params.subseed_strength:
        yield "subseed", params.subseed + index
        yield "subseed_strength", params.subseed_strength
    if params.seed_resize_from_w and params.seed_resize_from_h:
        yield "seed_resize_from_w", f"{params.seed_resize_from_w}x{params.seed_resize_from_h}"
    if sampler is None:
        return
    if params.eta_noise_seed_delta and sampler.names_ensd and params.eta_of(sampler) != 0:
        yield "eta_noise_seed_delta", params.eta_noise_seed_delta
    hires = hires_sampler(params)
    samplers = [sampler] if hires is None else [sampler, hires]
    if params.always_discard_next_to_last_sigma and not all(one.discards_penultimate for one in samplers):
        yield "always_discard_next_to_last_sigma", True
    heard = {name for one in samplers for name in one.churn_settings}
    for name in CHURN:
        value = getattr(params, name)
        if name in heard and name not in params.quiet and value != GenerationParams.model_fields[name].default:
            yield name, value
    if not sampler.on_timesteps:
        if params.sgm_noise_multiplier and params.mode == "txt2img":
            yield "sgm_noise_multiplier", True
        yield from _of_schedule(params, schedule_label(params.sampler, params.scheduler))
    if label := hires_schedule_label(params):
        yield from _of_schedule(params, label)


def _of_schedule(params: GenerationParams, label: str) -> Iterator[tuple[str, object]]:
    """A sampler that runs on the model's own table by "Automatic" knows none of a schedule's settings; "Uniform" is told, though."""
    scheduler = known_scheduler(label)
    if scheduler is None or scheduler.name == "automatic":
        return
    if params.sigma_min:
        yield "sigma_min", params.sigma_min
    if params.sigma_max:
        yield "sigma_max", params.sigma_max
    if params.rho and scheduler.default_rho > 0:
        yield "rho", params.rho
    if scheduler.name == "beta":
        yield "beta_dist_alpha", params.beta_dist_alpha
        yield "beta_dist_beta", params.beta_dist_beta
