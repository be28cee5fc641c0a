"""Noise against A1111's numbers: generators, variations, other sizes, seed deltas."""

import pytest
import torch

from app.sampling.noise import PictureNoise, Variation
from app.sampling.philox import Philox
from app.sampling.variation import pasted, slerp
from tests.unit.sampling.reference import reference

# The references have nine digits; every number is met exactly here. Two units in the last place of a number up to 8 are left for
# machines whose vector functions round otherwise.
CLOSE = {"rtol": 0.0, "atol": 2 * 8 * 2.0**-23}


@pytest.mark.parametrize("entry", reference("rng/philox.json"), ids=lambda e: f"{e['seed']}-{len(e['shapes'])}")
def test_philox_gives_a_cuda_cards_numbers(entry: dict) -> None:
    generator = Philox(entry["seed"])
    for shape, draw in zip(entry["shapes"], entry["draws"], strict=True):
        torch.testing.assert_close(generator.randn(tuple(shape)).flatten(), torch.tensor(draw), **CLOSE)


def test_philox_takes_all_64_bits_and_is_normal() -> None:
    numbers = Philox(2**63 + 5).randn((4, 64, 64))
    assert not torch.equal(numbers, Philox(5).randn((4, 64, 64)))
    assert numbers.dtype == torch.float32
    assert abs(float(numbers.mean())) < 0.04 and abs(float(numbers.std()) - 1) < 0.03  # 5 standard errors of 16384 numbers


@pytest.mark.parametrize("entry", reference("rng/slerp.json"), ids=lambda e: str(e["val"]))
def test_slerp_equals_a1111(entry: dict) -> None:
    low, high, result = (torch.tensor(entry[key]).view(entry["shape"]) for key in ("low", "high", "result"))
    torch.testing.assert_close(slerp(low, high, entry["val"]), result, **CLOSE)


def test_slerp_of_almost_the_same_is_linear() -> None:
    noise = torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(slerp(noise, noise * 2, 0.25), noise * 1.75)


@pytest.mark.parametrize(
    "entry", reference("rng/image_rng.json"), ids=lambda e: f"{e['source']}-{e['strength']}-{e['ensd']}-{e['resize_h']}"
)
def test_picture_noise_equals_a1111(entry: dict) -> None:
    subseeds = entry["subseeds"] and tuple(entry["subseeds"] + [0] * (len(entry["seeds"]) - len(entry["subseeds"])))
    noise = PictureNoise(
        entry["seeds"],
        entry["shape"],
        kind=entry["source"],
        variation=Variation(seeds=subseeds, strength=entry["strength"]) if subseeds else None,
        resize_from=(entry["resize_h"] // 8, entry["resize_w"] // 8) if entry["resize_h"] else None,
        seed_delta=entry["ensd"],
    )
    assert len(entry["draws"]) == entry["calls"]
    for draw in entry["draws"]:
        torch.testing.assert_close(noise.draw().flatten(), torch.tensor(draw), **CLOSE)


@pytest.mark.parametrize("kind", ["CPU", "GPU", "NV"])
def test_a_picture_does_not_depend_on_its_company(kind: str) -> None:
    alone, together = PictureNoise([8], (4, 6, 5), kind=kind), PictureNoise([7, 8, 9], (4, 6, 5), kind=kind)
    for _ in range(3):
        assert torch.equal(alone.draw()[0], together.draw()[1])


def test_the_cpu_generator_takes_the_low_32_bits() -> None:
    assert torch.equal(PictureNoise([2**32 + 5], (4, 6, 5)).draw(), PictureNoise([5], (4, 6, 5)).draw())
    assert torch.equal(PictureNoise([2**64 - 1], (4, 6, 5)).draw(), PictureNoise([2**32 - 1], (4, 6, 5)).draw())


def test_a_whole_variation_is_the_other_seed_until_the_second_draw() -> None:
    varied = PictureNoise([5], (4, 6, 5), variation=Variation(seeds=(9,), strength=1.0))
    own, other = PictureNoise([5], (4, 6, 5)), PictureNoise([9], (4, 6, 5))
    own.draw()
    torch.testing.assert_close(varied.draw(), other.draw())
    assert torch.equal(varied.draw(), own.draw())


@pytest.mark.parametrize(
    ("small", "rows", "columns"),
    [((2, 2), (1, 3), (1, 3)), ((6, 6), (0, 4), (0, 4)), ((3, 7), (0, 3), (0, 3)), ((4, 4), (0, 4), (0, 4))],
)
def test_pasting_is_centred(small: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> None:
    """On a ground of 4x4; of an odd excess (7 columns) one column of ground stays, though nothing of it need."""
    result = pasted(torch.ones(1, *small), torch.zeros(1, 4, 4))
    expected = torch.zeros(1, 4, 4)
    expected[:, slice(*rows), slice(*columns)] = 1
    assert torch.equal(result, expected)


@pytest.mark.parametrize("kind", ["CPU", "NV"])
def test_seeds_wrap_around_their_64_bits(kind: str) -> None:
    first, second = PictureNoise([2**64 - 1, 2**64], (4, 6, 5), kind=kind).draw()
    assert torch.equal(second, PictureNoise([0], (4, 6, 5), kind=kind).draw()[0])
    below = PictureNoise([3], (4, 6, 5), kind=kind, seed_delta=-4)
    below.draw()
    assert torch.equal(below.draw()[0], first)
