"""Schedules of noise levels: which sigmas the steps of a pass lead through.

All arithmetic is float32 in the order that the references were made in, so that a schedule can be equal and not only close.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.sampling.table import NoiseTable
from app.schema.errors import InvalidParams, UnknownName

_AYS_SD1 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_AYS_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


@dataclass(frozen=True, kw_only=True)
class _Range:
    """What a schedule is made from."""

    steps: int
    table: NoiseTable
    sigma_min: float
    sigma_max: float
    rho: float | None
    beta: tuple[float, float]
    sdxl: bool


def build_sigmas(
    scheduler: str,
    steps: int,
    table: NoiseTable,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    rho: float | None = None,
    beta: tuple[float, float] = (0.6, 0.6),
    sdxl: bool = False,
) -> list[float]:
    """The falling noise levels of a schedule, named by its internal name; most have `steps` of them and then 0.

    Ends and rho that are None or 0 are the schedule's own. `beta` are the parameters of the schedule of that name; `sdxl` chooses
    the table of Align Your Steps. UnknownName for a schedule that is not there, InvalidParams for ends or a rho that give none.
    """
    if scheduler not in _SCHEDULES:
        raise UnknownName("scheduler", scheduler, tuple(_SCHEDULES))
    low, high = sigma_min or table.sigma_min, sigma_max or table.sigma_max
    if not 0 < low < high:
        raise InvalidParams(f"The schedule cannot lead from sigma {high:g} down to {low:g}: choose a sigma min below sigma max.")
    about = _Range(steps=steps, table=table, sigma_min=low, sigma_max=high, rho=rho or None, beta=beta, sdxl=sdxl)
    try:
        sigmas = _SCHEDULES[scheduler](about)
    except (OverflowError, ZeroDivisionError):  # Python's floats; torch's become inf
        sigmas = torch.tensor(math.inf)
    if not bool(sigmas.isfinite().all()):
        raise InvalidParams(f"The schedule {scheduler} has no noise levels with rho {rho} and beta {beta}: choose values nearer to 1.")
    return [float(sigma) for sigma in sigmas]


def _zero_ended(sigmas: Tensor) -> Tensor:
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def _uniform(r: _Range) -> Tensor:
    """Equal distances in the model's own timesteps, from its last to its first; knows no other ends."""
    return _zero_ended(r.table.sigma_at(torch.linspace(len(r.table) - 1, 0, r.steps)))


def _karras(r: _Range) -> Tensor:
    """Equal distances in sigma^(1/rho) (Karras et al. 2022, equation 5)."""
    rho = r.rho or 7.0
    first, last = r.sigma_max ** (1 / rho), r.sigma_min ** (1 / rho)
    return _zero_ended((first + torch.linspace(0, 1, r.steps) * (last - first)) ** rho)


def _exponential(r: _Range) -> Tensor:
    """Equal ratios."""
    return _zero_ended(torch.linspace(math.log(r.sigma_max), math.log(r.sigma_min), r.steps).exp())


def _polyexponential(r: _Range) -> Tensor:
    """log(sigma) falls as a power of the step; rho 1 is the exponential schedule."""
    low, high = math.log(r.sigma_min), math.log(r.sigma_max)
    return _zero_ended((torch.linspace(1, 0, r.steps) ** (r.rho or 1.0) * (high - low) + low).exp())


def _sgm_uniform(r: _Range) -> Tensor:
    """Equal distances in timesteps as Stability's generative-models repository spaces them: the last step starts above sigma_min."""
    first, last = r.table.timestep_of(r.sigma_max), r.table.timestep_of(r.sigma_min)
    return _zero_ended(r.table.sigma_at(torch.linspace(first, last, r.steps + 1)[:-1]))


def _normal(r: _Range) -> Tensor:
    """Equal distances in timesteps between the given ends."""
    first, last = r.table.timestep_of(r.sigma_max), r.table.timestep_of(r.sigma_min)
    return _zero_ended(r.table.sigma_at(torch.linspace(first, last, r.steps)))


def _kl_optimal(r: _Range) -> Tensor:
    """Equal distances in arctan(sigma) (Sabour et al. 2024, theorem 3.1); ends at sigma_min, there is no step to 0."""
    step = torch.arange(r.steps + 1, dtype=torch.float32)
    first, last = (torch.tensor(sigma, dtype=torch.float32).atan() for sigma in (r.sigma_max, r.sigma_min))
    return torch.tan(step / r.steps * last + (1 - step / r.steps) * first)


def _align_your_steps(r: _Range) -> Tensor:
    """Ten steps that were searched for the model family (Sabour et al. 2024), other numbers log-linearly between them."""
    known = np.log(_AYS_SDXL if r.sdxl else _AYS_SD1)[::-1]
    wanted = np.interp(np.linspace(0, 1, r.steps), np.linspace(0, 1, len(known)), known)
    return _zero_ended(torch.from_numpy(np.exp(wanted)[::-1].copy()).float())


def _simple(r: _Range) -> Tensor:
    """Every (timesteps / steps)-th entry of the model's table from the last one down."""
    stride = len(r.table) / r.steps
    return _zero_ended(r.table.sigmas[[-(1 + int(i * stride)) for i in range(r.steps)]])


def _ddim(r: _Range) -> Tensor:
    """Every (timesteps // steps)-th entry of the model's table from the second one up, as DDIM's timesteps are; may be one more."""
    return _zero_ended(r.table.sigmas[1 :: max(len(r.table) // r.steps, 1)].flip(0))


def _beta(r: _Range) -> Tensor:
    """Quantiles of a beta distribution between the ends (Lee et al. 2024)."""
    from scipy.special import betaincinv  # comes with torchsde; imported by the one schedule that needs it

    quantiles = betaincinv(*r.beta, 1 - np.linspace(0, 1, r.steps))
    return _zero_ended(torch.from_numpy(r.sigma_min + quantiles * (r.sigma_max - r.sigma_min)).float())


_SCHEDULES: dict[str, Callable[[_Range], Tensor]] = {
    "automatic": _uniform,
    "uniform": _uniform,
    "karras": _karras,
    "exponential": _exponential,
    "polyexponential": _polyexponential,
    "sgm_uniform": _sgm_uniform,
    "kl_optimal": _kl_optimal,
    "align_your_steps": _align_your_steps,
    "simple": _simple,
    "normal": _normal,
    "ddim": _ddim,
    "beta": _beta,
}
