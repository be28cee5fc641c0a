"""The small checkpoint's training: its file comes apart and together again, its measure knows its own pictures."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from app.models import EMBEDDED
from app.prompt import Tokenizer
from tests.support.paths import ROOT
from tools.pocket.attention import attention
from tools.pocket.caption_pool import END, KEPT, START, caption_pool, full_table, small_table
from tools.pocket.checkpoint_file import TOKEN_TABLE, read_parts, write_parts
from tools.pocket.evaluate import concepts, nearest
from tools.pocket.export import yaml_of
from tools.pocket.pictures import BACKGROUNDS, DATA, choose, compose, load_data
from tools.pocket.sizes import SIZES
from tools.pocket.text_encoder import CLIPTextModel
from tools.pocket.train_denoiser import NOISY_FROM, Batches
from tools.pocket.train_text_encoder import CELL, Foretelling, Targets, told_apart

SHIPPED = ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors"


@pytest.fixture(scope="module")
def pictures() -> tuple[torch.Tensor, list[dict]]:
    return load_data(DATA)


def test_a_checkpoint_taken_apart_and_written_again_is_the_same(tmp_path: Path) -> None:
    parts = read_parts(SHIPPED)
    write_parts(tmp_path / "again.safetensors", parts, dtype=torch.float16, known=["pizza", "rocket"])
    with safe_open(SHIPPED, "pt") as before, safe_open(tmp_path / "again.safetensors", "pt") as after:
        assert set(before.keys()) == set(after.keys())
        for name in before.keys():  # noqa: SIM118 - not a dict
            assert torch.equal(before.get_tensor(name), after.get_tensor(name)), name
        told = after.metadata()
        assert told["darkroom.concepts"] == "pizza\nrocket"
        assert json.loads(told["darkroom.config"]) == json.loads(before.metadata()["darkroom.config"])
    assert SHIPPED.with_suffix(".yaml").read_text(encoding="utf-8") == yaml_of(parts.sizes)


def test_weights_that_overflow_are_not_written(tmp_path: Path) -> None:
    parts = read_parts(SHIPPED)
    parts.denoiser["out.2.bias"][0] = 1e6
    with pytest.raises(ValueError, match=r"out\.2\.bias is not finite"):
        write_parts(tmp_path / "no.safetensors", parts, dtype=torch.float16)
    assert not list(tmp_path.iterdir())


def test_a_token_table_cut_to_what_is_used_grows_back(pictures: tuple[torch.Tensor, list[dict]]) -> None:
    _, records = choose(*pictures, style="noto", labels={"pizza", "rocket"})
    pool, used = caption_pool(Tokenizer(), records, torch.arange(len(records)), ["white"] * len(records), each=3)
    assert pool.shape[:2] == (len(records), 3) and pool.max() <= len(used)
    assert used[:2] == [START, END]
    table = read_parts(SHIPPED).text_encoder[TOKEN_TABLE]
    again = full_table(small_table(table, used), used, len(table))
    assert torch.equal(again[torch.tensor(used)][:2], table[torch.tensor(used)][:2])
    pizza = Tokenizer().encode("pizza")[0]
    assert torch.equal(again[pizza], table[pizza])


@pytest.mark.parametrize("background", ["white", "blue"])
def test_the_measure_finds_every_training_picture_itself(pictures: tuple[torch.Tensor, list[dict]], background: str) -> None:
    rgba, records = choose(*pictures, style="noto", labels=set(concepts(pictures[1], "45")))
    assert len(records) == 45
    colour = torch.tensor(BACKGROUNDS[background]).expand(len(rgba), 3)
    drawn = ((compose(rgba, colour, 0.92) + 1) * 127.5).byte().permute(0, 2, 3, 1)
    assert nearest(drawn, rgba, background) == list(range(45))


def test_every_row_is_to_become_what_its_caption_says() -> None:
    """Whatever the noise hides: nothing, another picture, the right one."""
    torch.manual_seed(0)
    latents = torch.randn(5, 4, 2, 2).half()
    pool = torch.tensor([[[0, 10 + owner] + [1] * (KEPT - 2)] for owner in range(5)], dtype=torch.int32)
    batches = Batches(latents, pool, torch.ones(5), 400, "cpu")
    noisy, t, ids, target, weight = batches.draw()
    a = batches.alphas[t][:, None, None, None]
    meant = (noisy - (1 - a).sqrt() * target) / a.sqrt()
    captioned = ids[:, 1] >= 10
    assert 300 < int(captioned.sum()) < 400 and ids.shape == (400, 77)
    assert torch.allclose(meant[captioned], latents[ids[captioned, 1] - 10].float(), atol=1e-3)
    assert 0.6 < float((t >= NOISY_FROM).float().mean()) < 0.8
    assert bool((weight > 0).all())


@pytest.mark.parametrize("causal", [False, True])
def test_attention_spelled_out_is_the_fused_one(causal: bool) -> None:
    q, k, v = torch.randn(3, 2, 3, 5, 4)
    spelled = attention(q, k, v, causal=causal)
    with torch.no_grad():
        assert torch.allclose(attention(q, k, v, causal=causal), spelled, atol=1e-5)


def test_what_a_text_is_to_tell_gives_the_picture_back() -> None:
    torch.manual_seed(0)
    latents = torch.randn(70, 4, 16, 16)  # fewer than principal components: nothing is lost
    latents -= latents.mean(0, keepdim=True)
    targets = Targets.of(latents)
    joined = torch.nn.functional.fold(targets.cells.transpose(1, 2) * targets.deviation, (16, 16), CELL, stride=CELL)
    assert torch.allclose(joined, latents, atol=1e-5)
    assert torch.allclose((targets.whole * targets.scale) @ targets.axes, latents.flatten(1), atol=1e-4)
    model = Foretelling(CLIPTextModel(SIZES["small"].with_vocabulary(80)), SIZES["small"].text_width, targets)
    pool = torch.tensor([[[0, 2 + owner] + [1] * (KEPT - 2)] for owner in range(70)], dtype=torch.int32)
    assert max(told_apart(model, latents, pool, targets)) < 0.2, "nothing was taught"
