"""The samplers by A1111's name. Each is a generator in a file of its own; its spec knows which sigmas and first latents it wants."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from app.sampling.options import SamplerOptions, UniPCOptions
from app.sampling.samplers.ddim import ddim
from app.sampling.samplers.ddim_cfgpp import ddim_cfgpp
from app.sampling.samplers.dpm2 import dpm2, dpm2_ancestral
from app.sampling.samplers.dpm_adaptive import dpm_adaptive
from app.sampling.samplers.dpm_fast import dpm_fast
from app.sampling.samplers.dpm_solver import DPMSolverSpec
from app.sampling.samplers.dpmpp_2m import dpmpp_2m
from app.sampling.samplers.dpmpp_2s_ancestral import dpmpp_2s_ancestral
from app.sampling.samplers.dpmpp_multistep_sde import dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_3m_sde
from app.sampling.samplers.dpmpp_sde import dpmpp_sde
from app.sampling.samplers.euler import euler
from app.sampling.samplers.euler_ancestral import euler_ancestral
from app.sampling.samplers.heun import heun
from app.sampling.samplers.lcm import LCMSpec
from app.sampling.samplers.lms import lms
from app.sampling.samplers.plms import plms
from app.sampling.samplers.restart import restart
from app.sampling.samplers.spec import SamplerSpec, SigmaSpec
from app.sampling.samplers.timesteps import TimestepSpec
from app.sampling.samplers.unipc import UniPCSpec
from app.schema import samplers as names

__all__ = ["SAMPLERS", "SamplerOptions", "SamplerSpec", "UniPCOptions"]

_SPECS: Mapping[str, Callable[..., SamplerSpec]] = {
    "DPM++ 2M": partial(SigmaSpec, run=dpmpp_2m),
    "DPM++ SDE": partial(SigmaSpec, run=dpmpp_sde),
    "DPM++ 2M SDE": partial(SigmaSpec, run=dpmpp_2m_sde),
    "DPM++ 2M SDE Heun": partial(SigmaSpec, run=dpmpp_2m_sde_heun),
    "DPM++ 2S a": partial(SigmaSpec, run=dpmpp_2s_ancestral),
    "DPM++ 3M SDE": partial(SigmaSpec, run=dpmpp_3m_sde),
    "Euler a": partial(SigmaSpec, run=euler_ancestral),
    "Euler": partial(SigmaSpec, run=euler),
    "LMS": partial(SigmaSpec, run=lms),
    "Heun": partial(SigmaSpec, run=heun),
    "DPM2": partial(SigmaSpec, run=dpm2),
    "DPM2 a": partial(SigmaSpec, run=dpm2_ancestral),
    "DPM fast": partial(DPMSolverSpec, run=dpm_fast),
    "DPM adaptive": partial(DPMSolverSpec, run=dpm_adaptive),
    "Restart": partial(SigmaSpec, run=restart),
    "DDIM": partial(TimestepSpec, run=ddim),
    "DDIM CFG++": partial(TimestepSpec, run=ddim_cfgpp),
    "PLMS": partial(TimestepSpec, run=plms),
    "UniPC": UniPCSpec,
    "LCM": LCMSpec,
}

SAMPLERS: Mapping[str, SamplerSpec] = MappingProxyType({name.name: _SPECS[name.name](name=name) for name in names.SAMPLERS})
"""Every sampler that the schema lists, in its order."""
