"""What every program calls its samplers and schedules, and A1111's names for them."""

import re
from collections.abc import Mapping

from app.metadata.names import known_sampler, known_scheduler

_SAMPLERS: Mapping[str, str] = {
    word: name
    for name, words in {
        "Euler a": "euler_ancestral eulera euler_a eulerancestraldiscrete euler_ancestral_pp sample_euler_ancestral",
        "Euler": "euler eulerdiscrete flowmatcheulerdiscrete flowmatcheuler flashflowmatcheulerdiscrete sample_euler",
        "LMS": "lms lmsdiscrete sample_lms",
        "Heun": "heun heundiscrete flowmatchheundiscrete sample_heun",
        "DPM2": "dpm_2 dpm2 kdpm_2 kdpm2 kdpm2discrete sample_dpm_2",
        "DPM2 a": "dpm_2_ancestral dpm_2_a dpm2_a dpm2_ancestral kdpm_2_a kdpm2_a kdpm_2_ancestral kdpm2ancestraldiscrete",
        "DPM++ 2S a": "dpmpp_2s_ancestral dpmpp_2s_a dpmpp_2s dpmpp2s_a dpmsolversinglestep",
        "DPM++ 2M": "dpmpp_2m dpmpp2m dpmpp_2 dpmpp_2mv2 dpmpp_2m_v2 dpmsolvermultistep dpmsolverpp flowdpmsolvermultistep",
        "DPM++ SDE": "dpmpp_sde dpmpp_sde_gpu dpmsolversde dpm_sde",
        "DPM++ 2M SDE": "dpmpp_2m_sde dpmpp_2m_sde_gpu dpmpp2m_sde",
        "DPM++ 2M SDE Heun": "dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu",
        "DPM++ 3M SDE": "dpmpp_3m_sde dpmpp_3m_sde_gpu dpmpp3m_sde",
        "DPM fast": "dpm_fast",
        "DPM adaptive": "dpm_adaptive dpm_ad",
        "Restart": "restart",
        "DDIM": "ddim ddim_v3",
        "PLMS": "plms pndm",
        "UniPC": "unipc uni_pc uni_pc_bh2 unipc_bh2 unipcmultistep flowunipcmultistep",
        "LCM": "lcm flowmatchlcm",
    }.items()
    for word in words.split()
}
"""A program's word in the form that `_word` gives it. What is only similar (`dpmpp_3m`, `ddpm`, `tcd`) is not here: it stays itself."""

_SCHEDULES: Mapping[str, str] = {
    "automatic": "Automatic",
    "default": "Automatic",
    "native": "Automatic",
    "discrete": "Automatic",
    "uniform": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Polyexponential",
    "sgm_uniform": "SGM Uniform",
    "sgmuniform": "SGM Uniform",
    "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps",
    "alignyoursteps": "Align Your Steps",
    "ays": "Align Your Steps",
    "simple": "Simple",
    "normal": "Normal",
    "ddim_uniform": "DDIM",
    "ddim": "DDIM",
    "beta": "Beta",
}

_OTHER_ENDS: Mapping[str, str] = {
    "trailing": "Trailing",
    "substep": "Substep",
    "flowmatch": "",
    "gits": "gits",
    "linear_quadratic": "linear_quadratic",
}
"""Ends of sampler names that name a spacing or a schedule that A1111 does not have, or nothing that matters for the name."""

_MAX_CHARS = 100


def sampler_words(name: str) -> tuple[str, str]:
    """(A1111's sampler, A1111's schedule or an empty text) of any program's sampler name; an unknown name comes back as it is."""
    name = name.strip()
    if not name or len(name) > _MAX_CHARS or name.casefold() in ("undefined", "default", "unknown", "none"):
        return "", ""
    known, schedule = known_sampler(name)
    if known is not None:
        return known.name, schedule.label if schedule else ""
    word = _word(name)
    found = _SAMPLERS.get(word)
    if found:
        return found, ""
    if word.endswith("_k") and word[:-2] in _SAMPLERS:  # InvokeAI 3: with Karras' schedule
        return _SAMPLERS[word[:-2]], "Karras"
    ends: Mapping[str, str] = {**_SCHEDULES, **_OTHER_ENDS}
    for end in sorted(ends, key=len, reverse=True):
        head = word.removesuffix(f"_{end}")
        if head != word and head in _SAMPLERS:
            return _SAMPLERS[head], ends[end]
    for end in sorted(_SCHEDULES, key=len, reverse=True):
        if word.endswith(f"_{end}"):
            return name[: -len(end)].rstrip(" _-"), _SCHEDULES[end]
    return name, ""


def schedule_word(name: str) -> str:
    """A1111's label for any program's schedule; an unknown name comes back as it is."""
    name = name.strip()
    if not name or name.casefold() in ("none", "undefined", "unknown"):
        return ""
    known = known_scheduler(name)
    return known.label if known else _SCHEDULES.get(_word(name), name)


def _word(name: str) -> str:
    """A name without what programs spell differently: `DPM-Solver++`, `k_`, `Scheduler`, blanks, case."""
    word = name.casefold().strip().replace("dpm2++", "dpm++").replace("dpm-solver++", "dpm++ 2m").replace("dpm++", "dpmpp ")
    word = re.sub(r"[\s_\-]+", "_", word).strip("_").removesuffix("_scheduler").removesuffix("scheduler").removeprefix("sample_")
    return word.removeprefix("k_") if word not in ("k_diffusion",) else word
