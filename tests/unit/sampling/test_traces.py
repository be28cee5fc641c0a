"""Whole passes against A1111's: fed its recorded answers, a sampler must ask for the recorded latents at the recorded noise levels."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from app.sampling.guidance import Conditions, Context, NegativeSkips, Scheduled, Watched, guided
from app.sampling.img2img import stretched_steps
from app.sampling.noise import PictureNoise
from app.sampling.options import SamplerOptions
from app.sampling.protocol import Denoise, Sampler
from app.sampling.samplers import SAMPLERS
from tests.support.arithmetic import SAME_ARITHMETIC
from tests.support.paths import DATA
from tests.unit.sampling.reference import TABLES, reference

TRACES = {entry["id"]: entry for entry in reference("traces/traces.json")}

# For machines that round otherwise: units in the last place of float32 latents, summed up over a pass, below 4e-7 of the largest
# number wherever the steps are given. DPM adaptive finds its own steps, and there rounding grows with every one of its 108 calls.
CLOSE = {"DPM adaptive": 2e-5}


def recorded(entry: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a trace."""
    with np.load(DATA / entry["file"]) as file:
        return dict(file)


@dataclass
class Trace:
    """The recorded calls of one pass."""

    arrays: dict[str, np.ndarray]
    first: int
    pictures: int

    def __len__(self) -> int:
        return next(i for i in count() if f"{i + self.first:03d}_x" not in self.arrays)

    def call(self, i: int) -> tuple[Tensor, float, Tensor]:
        """Latents (those of the first rows are all pictures'), noise level or timestep, and the answer."""
        x, level, answer = (torch.from_numpy(self.arrays[f"{i + self.first:03d}_{name}"]) for name in ("x", "sigma", "denoised"))
        return x[: self.pictures], float(level[0]), answer


def replay(sampler: Sampler, trace: Trace, close: float) -> int:
    """Runs a sampler on recorded answers, comparing every question; the number of its calls."""
    question = next(sampler)
    for i in count(1):
        assert i <= len(trace), "more calls than were recorded"
        x, level, answer = trace.call(i - 1)
        asked = question.sigma if question.timestep is None else question.timestep
        assert asked == pytest.approx(level, rel=max(close, 1e-6))
        assert float((question.x - x).abs().max() / x.abs().max()) < close
        assert not SAME_ARITHMETIC or (asked == level and torch.equal(question.x, x))
        try:
            question = sampler.send(answer)
        except StopIteration:
            return i
    raise AssertionError


@pytest.mark.parametrize("name", TRACES)
def test_first_pass_equals_a1111(name: str) -> None:
    entry = TRACES[name]
    request, spec, options = entry["request"], SAMPLERS[entry["request"]["sampler_name"]], SamplerOptions()
    table = TABLES["sd1 with zero terminal SNR" if "sd_noise_schedule" in entry["options"] else "sd1"]
    pictures, steps = request.get("batch_size", 1), request["steps"]
    sigmas = spec.sigmas(request.get("scheduler", "Automatic"), steps, table, options)
    shape = (4, request["height"] // 8, request["width"] // 8)
    seeds = [request["seed"] + i for i in range(pictures)]
    noise = PictureNoise(seeds, shape, seed_delta=entry["options"].get("eta_noise_seed_delta", 0))
    trace = Trace(recorded(entry), 0, pictures)
    sampler = spec.sample(spec.initial(noise.draw(), sigmas), sigmas, noise, options, table)
    calls = replay(sampler, trace, CLOSE.get(spec.name.name, 1e-6))
    assert calls == (5 if name == "hires" else entry["calls"])


def test_second_pass_of_hires_equals_a1111() -> None:
    """Its steps are the end of a longer schedule, and its noise is that of new generators, the first draw of which is under the picture."""
    entry = TRACES["hires"]
    request, table, options = entry["request"], TABLES["sd1"], SamplerOptions()
    spec, steps = SAMPLERS[request["sampler_name"]], request["steps"]
    whole = stretched_steps(steps, request["denoising_strength"])
    begins = spec.entry("Automatic", whole, steps - 1, table, options)
    trace = Trace(recorded(entry), 5, 1)
    noise = PictureNoise([request["seed"]], (4, 6, 6), span=begins.span)
    noise.draw()
    x = trace.call(0)[0]
    assert replay(spec.sample(x, begins.sigmas, noise, options, table), trace, 1e-6) == steps


@pytest.mark.parametrize("name", TRACES)
def test_guidance_equals_a1111(name: str) -> None:
    """Of the recorded rows' answers it makes the recorded one, on every machine bit for bit."""
    entry, context = TRACES[name], Scheduled(((0, Context(torch.zeros(77, 4))),))
    weights = (1.0, 0.6, -0.3) if name == "and-weights" else (1.0,)
    arrays, pictures = recorded(entry), entry["request"].get("batch_size", 1)
    skips, watched = NegativeSkips(below=entry["request"].get("s_min_uncond", 0.0)), Watched()
    for i in range(entry["calls"]):
        x, level, rows, expected = (torch.from_numpy(arrays[f"{i:03d}_{part}"]) for part in ("x", "sigma", "denoised_rows", "denoised"))
        conditions = [Conditions(tuple((weight, context) for weight in weights), context)] * pictures
        steps = guided(Denoise(x[: pictures * len(weights) : len(weights)], float(level[0])), conditions, 6.0, watched, skips)
        asked = len(next(steps).x)
        assert asked == len(x) or (name == "ngms" and i in (5, 7))  # a negative row that was left out is recorded as a copy
        with pytest.raises(StopIteration) as end:
            steps.send(rows[:asked])
        assert torch.equal(end.value.value, expected)


def test_every_trace_is_there() -> None:
    assert len(TRACES) == 20
    assert {entry["id"] for entry in TRACES.values()} == {path.stem for path in (DATA / "traces").glob("*.npz")}
