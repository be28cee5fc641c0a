"""The networks' answers against a second implementation on the file's raw tensors (ldm_reference.py), and against formulae.

Tolerance 1e-4 of the answer's largest number: two orders of summation in float32 through some forty layers.
"""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from app.networks import Checkpoint, load_checkpoint
from app.networks.text import ClipSkip

from . import ldm_reference as ldm
from .conftest import model_file

HEADS, TEXT_HEADS = 8, 4
SCALE = 0.18215


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape and ours.dtype == torch.float32
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def timesteps_of(checkpoint: Checkpoint, sigmas: Tensor) -> Tensor:
    """Linear interpolation in log sigma, the slow way: over all pairs of neighbours."""
    table = ((1 - checkpoint.alphas_cumprod.double()) / checkpoint.alphas_cumprod.double()).sqrt().log()
    found = []
    for s in sigmas.double().log().tolist():
        i = next((i for i in range(999) if table[i] <= s <= table[i + 1]), None)
        found.append((0.0 if s < table[0] else 999.0) if i is None else i + float((s - table[i]) / (table[i + 1] - table[i])))
    return torch.tensor(found, dtype=torch.float32)


# Odd sides: 100x70 pixels are 12x8 latents; 7, 5 and 3 are odd on the way down; 1 has nothing to halve.
@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 12), (7, 8), (5, 11), (3, 2), (1, 9)])
def test_epsilon_denoiser_agrees_with_the_reference(
    tiny_a: Checkpoint, tensors_a: dict[str, Tensor], context: Tensor, height: int, width: int
) -> None:
    sigmas = torch.tensor([9.7, 0.43])
    x = noise(2, 4, height, width) * sigmas[:, None, None, None]
    scaled = x / torch.tensor([9.7**2 + 1, 0.43**2 + 1]).sqrt()[:, None, None, None]
    eps = ldm.unet(tensors_a, scaled, timesteps_of(tiny_a, sigmas), context, HEADS)
    assert_same(tiny_a.denoise(x, sigmas, context), x - sigmas[:, None, None, None] * eps)


def test_v_denoiser_agrees_with_the_reference(tiny_v: Checkpoint, checkpoints: Path, context: Tensor) -> None:
    sigma = 3.1
    x = noise(2, 4, 8, 12) * sigma
    alpha, sin = 1 / (sigma**2 + 1) ** 0.5, sigma / (sigma**2 + 1) ** 0.5
    steps = timesteps_of(tiny_v, torch.full((2,), sigma))
    v = ldm.unet(load_file(checkpoints / "tiny-v.safetensors"), alpha * x, steps, context, HEADS)
    expected = alpha * (alpha * x) - sin * v  # Salimans & Ho 2022: clean = alpha z - sigma v, z being the unit-variance input
    assert_same(tiny_v.denoise(x, torch.full((2,), sigma), context), expected)


@pytest.mark.parametrize("name", ["tiny_a", "tiny_v"])
def test_rows_of_unit_variance_beside_others(name: str, request: pytest.FixtureRequest, context: Tensor) -> None:
    """The second row's noise leaves the clean latents that the same row gives in sigmas; the first is not touched by its company."""
    checkpoint: Checkpoint = request.getfixturevalue(name)
    alpha, nan = checkpoint.alphas_cumprod[400], float("nan")
    sigma = float(((1 - alpha) / alpha).sqrt())
    x, sigmas = noise(2, 4, 8, 8) * (1 + sigma**2) ** 0.5, torch.full((2,), sigma)
    plain = checkpoint.denoise(x, sigmas, context)
    unit = torch.stack([x[0], x[1] * alpha.sqrt()])
    mixed = checkpoint.denoise(unit, sigmas, context, timesteps=torch.tensor([nan, 400.0]), alphas=torch.tensor([nan, float(alpha)]))
    assert_same(mixed[0], plain[0])
    assert_same((unit[1] - (1 - alpha).sqrt() * mixed[1]) / alpha.sqrt(), plain[1])


def test_concat_goes_in_as_it_is(checkpoints: Path, context: Tensor) -> None:
    path = checkpoints / "tiny-inpaint.safetensors"
    inpaint = load_checkpoint(model_file(path), "cpu", torch.float32)
    assert inpaint.facts.concat_channels == 5
    sigma, x, concat = 6.0, noise(2, 4, 8, 8) * 6.0, noise(2, 5, 8, 8, seed=2)
    scaled = torch.cat([x / 37**0.5, concat], 1)
    eps = ldm.unet(load_file(path), scaled, timesteps_of(inpaint, torch.full((2,), sigma)), context, HEADS)
    assert_same(inpaint.denoise(x, torch.full((2,), sigma), context, concat), x - sigma * eps)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 3), (1, 1)])
def test_decoder_agrees_with_the_reference(tiny_a: Checkpoint, tensors_a: dict[str, Tensor], height: int, width: int) -> None:
    latents = noise(2, 4, height, width)
    assert_same(tiny_a.decode(latents), ldm.vae_decode(tensors_a, latents / SCALE))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (24, 40)])
def test_encoder_agrees_with_the_reference(tiny_a: Checkpoint, tensors_a: dict[str, Tensor], height: int, width: int) -> None:
    images = noise(2, 3, height, width).clamp(-1, 1)
    assert_same(tiny_a.encode_image(images).chunk(2, dim=1)[0], ldm.vae_encode(tensors_a, images))


@pytest.mark.parametrize("clip_skip", [1, 2, 3])
def test_text_encoder_agrees_with_the_reference(tiny_a: Checkpoint, tensors_a: dict[str, Tensor], clip_skip: int) -> None:
    ids = prompt_ids()
    assert_same(tiny_a.encode_text(ids, ClipSkip(clip_skip)).tokens, ldm.clip_text(tensors_a, ids, TEXT_HEADS, clip_skip))


def test_clip_skip_out_of_range_is_clamped(tiny_a: Checkpoint, tensors_a: dict[str, Tensor]) -> None:
    """tiny-a has three layers: 4 leaves the embeddings alone, 12 has nothing more to skip; 0 is what 1 is."""
    ids = prompt_ids()
    assert_same(tiny_a.encode_text(ids, ClipSkip(4)).tokens, ldm.clip_text(tensors_a, ids, TEXT_HEADS, 4))
    twelve, four, none, one = (tiny_a.encode_text(ids, ClipSkip(layers)).tokens for layers in (12, 4, 0, 1))
    assert torch.equal(twelve, four)
    assert torch.equal(none, one)


def prompt_ids() -> Tensor:
    ids = torch.randint(0, 49000, (2, 77), generator=torch.Generator().manual_seed(3))
    ids[:, 0], ids[0, 9:], ids[1, 40:] = 49406, 49407, 49407
    return ids


def test_answers_work_outside_and_inside_inference_mode(tiny_a: Checkpoint, context: Tensor) -> None:
    x, sigmas = noise(2, 4, 8, 8), torch.tensor([2.0, 1.0])
    outside = tiny_a.denoise(x, sigmas, context)
    outside += 1  # an inference tensor would refuse this
    assert not outside.requires_grad
    with torch.inference_mode():
        assert torch.equal(tiny_a.denoise(x, sigmas, context) + 1, outside)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_near_and_answers_float32(checkpoints: Path, tiny_a: Checkpoint, context: Tensor, dtype: torch.dtype) -> None:
    """Within 64 rounding errors of the format: random weights amplify those of forty layers about forty times (measured)."""
    half = load_checkpoint(model_file(checkpoints / "tiny-a.safetensors"), "cpu", dtype)
    x, sigmas, ids, images = noise(2, 4, 8, 12), torch.tensor([5.0, 0.5]), prompt_ids(), noise(1, 3, 64, 64).clamp(-1, 1)
    pairs = [
        (half.denoise(x, sigmas, context), tiny_a.denoise(x, sigmas, context)),
        (half.encode_text(ids, ClipSkip(2)).tokens, tiny_a.encode_text(ids, ClipSkip(2)).tokens),
        (half.encode_image(images), tiny_a.encode_image(images)),
        (half.decode(x), tiny_a.decode(x)),
    ]
    for ours, full in pairs:
        assert ours.dtype == torch.float32
        assert 0 < (ours - full).norm() < 64 * torch.finfo(dtype).eps / 2 * full.norm()
    assert half.nbytes * 2 == tiny_a.nbytes


def test_the_smallest_picture_has_an_answer(tiny_a: Checkpoint, context: Tensor) -> None:
    """8x8 pixels, one latent. Not compared: norms over a single number divide rounding errors by the root of their epsilon."""
    answer = tiny_a.denoise(noise(2, 4, 1, 1), torch.tensor([3.0, 1.0]), context)
    assert answer.shape == (2, 4, 1, 1) and torch.isfinite(answer).all()
    assert tiny_a.decode(answer).shape == (2, 3, 8, 8)
