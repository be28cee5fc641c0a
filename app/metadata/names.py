"""Names of samplers and schedulers as they stand in texts, where a name that is unknown here is a fact and no error."""

from functools import lru_cache

from app.schema.errors import UnknownName
from app.schema.params import GenerationParams
from app.schema.samplers import SCHEDULERS, SamplerName, SchedulerName, find_sampler, find_scheduler

_MAX_CHARS = 100


@lru_cache(maxsize=1024)  # pictures name the same few, and an error that looks for near names is dear
def known_scheduler(name: str) -> SchedulerName | None:
    """The scheduler of this name, label or alias; None if it is unknown here."""
    try:
        return find_scheduler(name[:_MAX_CHARS])
    except UnknownName:
        return None


@lru_cache(maxsize=1024)
def known_sampler(name: str) -> tuple[SamplerName | None, SchedulerName | None]:
    """The sampler of this name or alias, and the scheduler that the name carries at its end (`DPM++ 2M Karras`).

    Either is None if it is not known or not there; the end of a name counts although its sampler is unknown.
    """
    if len(name) > _MAX_CHARS:
        return None, None
    try:
        return find_sampler(name)
    except UnknownName:
        ends = [scheduler for scheduler in SCHEDULERS if name.casefold().endswith(f" {scheduler.label.casefold()}")]
        return None, max(ends, key=lambda scheduler: len(scheduler.label), default=None)


def schedule_label(sampler: str, scheduler: str) -> str:
    """The infotext's `Schedule type`: what "Automatic" stands for where the sampler prefers one, else what was asked for."""
    known, suffix = known_sampler(sampler)
    chosen = suffix or known_scheduler(scheduler)
    if chosen is None:
        return scheduler
    if chosen.name == "automatic" and known is not None and known.automatic is not None:
        return find_scheduler(known.automatic).label
    return chosen.label


def hires_sampler(params: GenerationParams) -> SamplerName | None:
    """The sampler of the hires pass; None if there is no such pass, or the sampler is unknown here."""
    return known_sampler(params.hr_sampler or params.sampler)[0] if params.has_hires else None


def hires_schedule_label(params: GenerationParams) -> str:
    """What the hires pass's schedule is called where it counts; empty for a sampler on timesteps and for the model's own table."""
    sampler = hires_sampler(params)
    label = schedule_label(params.hr_sampler or params.sampler, params.hr_scheduler or params.scheduler)
    return "" if sampler is None or sampler.on_timesteps or label == SCHEDULERS[0].label else label
