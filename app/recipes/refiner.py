"""The refiner: another checkpoint that takes over a pass on its way."""

from dataclasses import dataclass

from app.sampling.protocol import Denoise
from app.sampling.table import NoiseTable
from app.schema.params import GenerationParams


@dataclass(frozen=True, kw_only=True)
class Refiner:
    """When the other checkpoint takes over."""

    checkpoint: str
    switch_at: float
    """Share of the way, 0 to 1."""
    by_calls: bool
    """Whether the way is counted in denoiser calls; else in timesteps, of which a schedule may do many in its last steps."""

    def is_due(self, call: int, calls: int, question: Denoise, table: NoiseTable) -> bool:
        """Whether it takes over before denoiser call number `call` (from 0) of `calls`."""
        if self.by_calls:
            return call / calls >= self.switch_at
        timestep = question.timestep
        if timestep is None:  # the nearest by sigma itself, not by its logarithm: half-way between two that is the later one on the way
            timestep = int((table.sigmas - question.sigma).abs().argmin())
        return (len(table) - 1 - timestep) / len(table) >= self.switch_at


def refiner_of(params: GenerationParams, checkpoint: str, *, hires: bool) -> Refiner | None:
    """The refiner of a pass that `checkpoint` begins; None where there is none, or where it would change nothing."""
    if params.refiner_checkpoint in ("", checkpoint) or params.refiner_switch_at >= 1:
        return None
    if params.has_hires and params.hires_fix_refiner_pass == ("first pass" if hires else "second pass"):
        return None
    return Refiner(checkpoint=params.refiner_checkpoint, switch_at=params.refiner_switch_at, by_calls=params.refiner_switch_by_sample_steps)


def told_of(params: GenerationParams) -> list[str]:
    """Fields that the infotext tells once the refiner has taken over, beside its checkpoint."""
    told = ["refiner_switch_at"]
    if params.refiner_switch_by_sample_steps:
        told.append("refiner_switch_by_sample_steps")
    if params.has_hires and params.hires_fix_refiner_pass != "second pass":
        told.append("hires_fix_refiner_pass")
    return told
