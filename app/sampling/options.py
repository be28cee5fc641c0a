"""What a job may ask of its sampler and schedule beside their names and the number of steps."""

from dataclasses import dataclass
from math import inf
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class UniPCOptions:
    """A1111's `uni_pc_*` options, with its defaults."""

    variant: Literal["bh1", "bh2"] = "bh1"
    skip_type: Literal["time_uniform", "time_quadratic", "logSNR"] = "time_uniform"
    order: int = 3
    lower_order_final: bool = True


@dataclass(frozen=True, kw_only=True)
class SamplerOptions:
    """Every sampler takes what concerns it and ignores the rest, as A1111 does; the defaults change nothing."""

    eta: float | None = None
    """How much of a step's noise is fresh; None: the sampler's own default (1 where noise is its nature, 0 for DDIM)."""
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = inf
    s_noise: float = 1.0
    sigma_min: float = 0.0
    """Ends of the schedule and its exponent; 0: the schedule's own."""
    sigma_max: float = 0.0
    rho: float = 0.0
    old_karras_sigmas: bool = False
    """A1111's `use_old_karras_scheduler_sigmas`: the ends are 0.1 and 10 for every schedule."""
    discard_penultimate: bool = False
    """A1111's `always_discard_next_to_last_sigma`."""
    sgm_noise_multiplier: bool = False
    """The first latents are noise times sqrt(1 + sigma_max^2) in the place of sigma_max."""
    beta_alpha: float = 0.6
    """The two parameters of the distribution behind the schedule Beta."""
    beta_beta: float = 0.6
    sdxl: bool = False
    """Whether the model is of the SDXL family, for which Align Your Steps has another table."""
    uni_pc: UniPCOptions = UniPCOptions()
