"""No sampler waits for the device: on torch's meta device there is nothing to wait for, and whoever asks for a number fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from app.sampling.noise import PictureNoise
from app.sampling.options import SamplerOptions
from app.sampling.samplers import SAMPLERS, SamplerSpec
from tests.unit.sampling import gaussian
from tests.unit.sampling.reference import TABLES

WAITS = {"DPM adaptive"}
"""Its next step's length is the device's answer; its docstring says so."""

SHAPE = (4, 8, 8)
EVERY_PART = SamplerOptions(s_churn=4.0, s_noise=1.01, sgm_noise_multiplier=True)


def run(spec: SamplerSpec, device: str, steps: int = 24, options: SamplerOptions = EVERY_PART) -> tuple[Tensor, int]:
    table = TABLES["sd1"]
    sigmas = spec.sigmas("Automatic", steps, table, options)
    noise = PictureNoise([3, 4], SHAPE, device=device)
    end, calls = gaussian.run(spec.sample(spec.initial(noise.draw(), sigmas, options), sigmas, noise, options, table))
    return end, calls


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in WAITS])
def test_a_pass_on_a_device_without_numbers(name: str) -> None:
    end, calls = run(SAMPLERS[name], "meta")
    assert end.device.type == "meta" and end.shape == (2, *SHAPE) and end.dtype == torch.float32
    assert calls == run(SAMPLERS[name], "cpu")[1]


def test_eta_of_timestep_samplers_waits_for_nothing() -> None:
    for name in ("DDIM", "DDIM CFG++"):
        assert run(SAMPLERS[name], "meta", options=SamplerOptions(eta=0.7))[0].device.type == "meta"


def test_the_meta_device_would_tell() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        run(SAMPLERS["DPM adaptive"], "meta")


class Waits(TorchDispatchMode):
    """Counts reads of numbers that were computed from latents; a coefficient lies on the CPU, and reading it waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._of_latents: dict[int, Tensor] = {}
        """By identity, and kept so that none is given away twice."""

    def __torch_dispatch__(self, function: object, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        of_latents = any(one.numel() >= prod(SHAPE) or id(one) in self._of_latents for one in given)
        if of_latents and function is torch.ops.aten._local_scalar_dense.default:
            self.count += 1
        result = function(*args, **(kwargs or {}))
        if of_latents:
            self._of_latents |= {id(one): one for one in tree_leaves(result) if isinstance(one, Tensor)}
        return result


@contextmanager
def counted() -> Iterator[Waits]:
    with Waits() as mode:
        yield mode


def test_adaptive_waits_once_a_step_and_not_more() -> None:
    spec, table, options = SAMPLERS["DPM adaptive"], TABLES["sd1"], SamplerOptions()
    sigmas = spec.sigmas("Automatic", 5, table, options)
    noise = PictureNoise([3, 4], SHAPE)
    first = spec.initial(noise.draw(), sigmas)
    with counted() as waits:
        calls = gaussian.run(spec.sample(first, sigmas, noise, options, table))[1]
    assert waits.count == calls // 3
