"""fp16 on a CUDA card: pictures close to the CPU's, memory as the model says, and the way to host memory and back."""

from pathlib import Path

import pytest
import torch

from app.engine.memory import MARGIN, decode_bytes, forward_bytes
from app.models import EMBEDDED, ModelFile, read_facts
from app.networks import Checkpoint, load_checkpoint
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none here")

PATH = ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors"


def load(path: Path, device: str, dtype: torch.dtype) -> Checkpoint:
    state = path.stat()
    file = ModelFile(
        kind="checkpoint", path=path, name=path.stem, filename=path.name, size_bytes=state.st_size, mtime_ns=state.st_mtime_ns,
        sha256=None, facts=read_facts(path), problem=None,
    )  # fmt: skip
    return load_checkpoint(file, device, dtype)


@pytest.fixture(scope="module")
def card() -> Checkpoint:
    return load(PATH, "cuda", torch.float16)


def inputs(rows: int, side: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    x, context = torch.randn(rows, 4, side, side, generator=random), torch.randn(rows, 77, width, generator=random)
    return x * 5, torch.full((rows,), 5.0), context


def test_half_precision_is_close_to_full(card: Checkpoint) -> None:
    """Eleven bits of mantissa through some forty layers: a hundredth of the answer's size."""
    full = load(PATH, "cpu", torch.float32)
    x, sigmas, context = inputs(2, 16, full.facts.denoiser.context_width)
    whole, half = full.denoise(x, sigmas, context), card.denoise(x, sigmas, context).cpu()
    assert float((half - whole).abs().mean()) < 0.01 * float(whole.abs().max())
    assert float((card.decode(whole).cpu() - full.decode(whole)).abs().mean()) < 0.02


def test_weights_visit_the_card_and_come_back(card: Checkpoint) -> None:
    x, sigmas, context = inputs(2, 16, card.facts.denoiser.context_width)
    before = card.denoise(x, sigmas, context).cpu()
    card.to("cpu")
    for streamed in (False, True):
        card.visit("cuda", streamed=streamed)
        assert torch.equal(card.denoise(x, sigmas, context).cpu(), before)
    card.to("cuda")
    assert torch.equal(card.denoise(x, sigmas, context).cpu(), before)


def test_the_memory_model_is_no_less_than_what_is_taken(card: Checkpoint) -> None:
    x, sigmas, context = inputs(8, 32, card.facts.denoiser.context_width)
    for estimate, run in (
        (forward_bytes(card.facts, 8, 32, 32, 2), lambda: card.denoise(x, sigmas, context)),
        (decode_bytes(card.facts, 8, 32, 32, 2), lambda: card.decode(x)),
    ):
        run()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        assert torch.cuda.max_memory_allocated() - before < 2 * MARGIN * estimate
