"""LoRAs and hypernetworks in a real checkpoint: what they change, and that nothing is left when they are taken out."""

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.networks import Checkpoint, load_autoencoder, load_checkpoint
from app.networks.adapters import Strength, read_embedding, read_hypernetwork, read_lora
from app.networks.adapters.names import part_of
from app.networks.text import Inserted
from app.schema.errors import BadModelFile

from .conftest import model_file

LORAS = [
    "lin", "unet-only", "te-only", "locon", "locon-mid", "lin-pickle", "no-alpha", "loha", "loha-tucker", "lokr-full", "lokr-lowrank",
    "lokr-tucker", "dora", "ia3", "full-diff", "glora", "oft", "bf16",
]  # fmt: skip
X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
IDS = torch.full((1, 77), 49407)


@pytest.fixture
def own(checkpoints: Path) -> Checkpoint:
    """A checkpoint that no other test uses."""
    return load_checkpoint(model_file(checkpoints / "tiny-a.safetensors"), "cpu", torch.float32)


@pytest.fixture
def models(tiny_models: Path) -> Path:
    return tiny_models / "models"


def strength(path: Path, weight: float = 0.7, rank: int | None = None) -> Strength:
    return Strength(read_lora(path), (path.name,), weight, rank)


def lora(models: Path, name: str, weight: float = 0.7) -> Strength:
    return strength(next((models / "Lora").glob(f"{name}.*")), weight)


def weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    parts = checkpoint._networks.parts.items()
    return {f"{part}.{name}": tensor.clone() for part, module in parts for name, tensor in module.state_dict().items()}


def answers(checkpoint: Checkpoint, context: torch.Tensor) -> list[torch.Tensor]:
    return [checkpoint.encode_text(IDS).tokens, checkpoint.denoise(X, torch.tensor([2.0, 3.0]), context)]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_whatever_was_in_use_the_weights_are_bit_by_bit_the_same_afterwards(own: Checkpoint, models: Path, context: torch.Tensor) -> None:
    before, plain = weights(own), answers(own, context)
    for name in LORAS:
        one = lora(models, name)
        own.adapt_text([one])
        own.adapt_denoiser([one, lora(models, "lin", -0.3)], [(read_hypernetwork(models / "hypernetworks" / "hyper.pt"), 0.5)])
        assert not same(weights(own), before)
    own.adapt_text([])
    own.adapt_denoiser([], [])
    assert same(weights(own), before)
    assert all(torch.equal(a, b) for a, b in zip(answers(own, context), plain, strict=True))


@pytest.mark.parametrize("name", LORAS)
def test_a_set_that_comes_back_gives_the_same_answers(own: Checkpoint, models: Path, context: torch.Tensor, name: str) -> None:
    one = lora(models, name)
    made = []
    for wanted in ([one], [], [lora(models, "lin", 0.2)], [one]):
        own.adapt_text(wanted)
        own.adapt_denoiser(wanted, [])
        made.append(answers(own, context))
    assert all(torch.equal(a, b) for a, b in zip(made[0], made[3], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(made[0], made[1], strict=True))


def test_a_checkpoint_that_is_moved_or_shared_gives_away_its_own_weights(own: Checkpoint, models: Path) -> None:
    before = weights(own)
    own.adapt_denoiser([lora(models, "lin")], [])
    Checkpoint.twins([own])
    assert same(weights(own), before)
    own.adapt_denoiser([lora(models, "lin")], [])
    own.to("cpu")
    assert same(weights(own), before)


def test_kept_sets_count_as_memory_and_are_limited(own: Checkpoint, models: Path) -> None:
    plain = own.nbytes
    for tenth in range(1, 10):
        own.adapt_denoiser([lora(models, "lin", tenth / 10)], [])
        assert plain < own.nbytes < 3 * plain
    assert len(own._denoiser_patches._sets) <= 4


@pytest.mark.parametrize(
    ("change", "new"),
    [
        (("lora_unet_", "unet."), ".lora_A.weight"),
        (("lora_unet_", "unet."), ".lora.down.weight"),
        (("lora_unet_", "unet."), "_lora.down.weight"),
    ],
    ids=["peft", "diffusers", "diffusers' attention processors"],
)
def test_other_spellings_of_the_same_layers(
    own: Checkpoint, models: Path, context: torch.Tensor, tmp_path: Path, change: tuple[str, str], new: str
) -> None:
    """`unet.down_blocks.0.attentions.0...to_q.lora_A.weight` is `lora_unet_down_blocks_0_attentions_0_..._to_q.lora_down.weight`."""
    state = {k: t for k, t in load_file(models / "Lora" / "no-alpha.safetensors").items() if "attn1_to_q." in k and "_te_" not in k}
    up = new.replace("lora_A", "lora_B").replace("down", "up")
    renamed = {
        k.replace(*change).replace("_attn1_to_q", ".attn1.processor.to_q" if new[0] == "_" else ".attn1.to_q")
        .replace(".lora_down.weight", new).replace(".lora_up.weight", up): t
        for k, t in state.items()
    }  # fmt: skip
    save_file(state, tmp_path / "kohya.safetensors")
    save_file(renamed, tmp_path / "other.safetensors")
    made = []
    for name in ("kohya", "other"):
        own.adapt_denoiser([strength(tmp_path / f"{name}.safetensors")], [])
        made.append(answers(own, context)[1])
    assert torch.equal(*made)
    own.adapt_denoiser([], [])
    assert not torch.equal(made[0], answers(own, context)[1])


def test_layers_in_the_original_codes_names(own: Checkpoint, models: Path, context: torch.Tensor, tmp_path: Path) -> None:
    state = load_file(models / "Lora" / "no-alpha.safetensors")
    ours, theirs = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", "input_blocks_1_1_transformer_blocks_0_attn1_to_q"
    one = {k: t for k, t in state.items() if ours in k}
    save_file(one, tmp_path / "ours.safetensors")
    save_file({k.replace(ours, theirs): t for k, t in one.items()}, tmp_path / "theirs.safetensors")
    made = []
    for name in ("ours", "theirs"):
        own.adapt_denoiser([strength(tmp_path / f"{name}.safetensors")], [])
        made.append(answers(own, context)[1])
    assert torch.equal(*made)


def test_names_that_belong_to_no_layer() -> None:
    assert part_of("lora_unet_mid_block_resnets_0_conv1.hada_w1_a") == ("denoiser", "mid_block_resnets_0_conv1", "hada_w1_a")
    peft = "text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_B.weight"
    assert part_of(peft) == ("text", "text_model_encoder_layers_0_mlp_fc1", "lora_up")
    for name in ("bundle_emb.word.string_to_param.*", "optimizer.state", "transformer.x.lora_A.weight", "", "."):
        assert part_of(name) is None


def test_a_layer_of_another_size_is_left_out_and_told(
    own: Checkpoint, models: Path, context: torch.Tensor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = load_file(models / "Lora" / "no-alpha.safetensors")
    broken = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    save_file({**state, f"{broken}.lora_down.weight": torch.ones(4, 7)}, tmp_path / "broken.safetensors")
    save_file({k: t for k, t in state.items() if not k.startswith(broken)}, tmp_path / "rest.safetensors")
    made = []
    for name in ("broken", "rest"):
        own.adapt_denoiser([strength(tmp_path / f"{name}.safetensors")], [])
        made.append(answers(own, context)[1])
    assert torch.equal(*made)
    assert [r.levelno for r in caplog.records if "does not fit" in r.message] == [logging.WARNING]


def test_a_lora_none_of_whose_layers_is_there(own: Checkpoint, tmp_path: Path) -> None:
    before = weights(own)
    parts = {f"lora_unet_nowhere_{n}.{p}.weight": torch.ones(2, 2) for n in range(3) for p in ("lora_up", "lora_down")}
    save_file(parts, tmp_path / "alien.safetensors")
    with pytest.raises(BadModelFile, match=r"alien\.safetensors was made for another family"):
        own.adapt_denoiser([strength(tmp_path / "alien.safetensors")], [])
    assert same(weights(own), before)


@pytest.mark.parametrize("read", [read_lora, read_hypernetwork, read_embedding])
def test_files_that_are_something_else(models: Path, tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    source = models / "Lora" / "lin.safetensors"
    (tmp_path / "cut.safetensors").write_bytes(source.read_bytes()[:-100])
    (tmp_path / "cut.pt").write_bytes((models / "hypernetworks" / "hyper.pt").read_bytes()[:-100])
    (tmp_path / "text.pt").write_bytes(b"hello")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    torch.save({"a": 1}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for path in tmp_path.iterdir():
        if read is read_hypernetwork and path.suffix == ".safetensors":
            continue  # the catalogue lists no hypernetworks of that ending
        with pytest.raises(BadModelFile, match=path.name):
            read(path)


def test_a_hypernetwork_changes_what_goes_into_the_keys(own: Checkpoint, models: Path, context: torch.Tensor) -> None:
    hyper = read_hypernetwork(models / "hypernetworks" / "hyper.pt")
    seen: list[torch.Tensor] = []
    attention = own._networks.denoiser.mid_block.attentions[0].transformer_blocks[0].attn2
    own.adapt_denoiser([], [(hyper, 0.5)])
    hook = attention.to_k.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    own.denoise(X, torch.tensor([2.0, 3.0]), context)
    hook.remove()
    first, second = (layer for layer in hyper.pairs[64][0] if isinstance(layer, torch.nn.Linear))
    by_hand = context + 0.5 * (context @ first.weight.T + first.bias) @ second.weight.T + 0.5 * second.bias
    torch.testing.assert_close(seen, [by_hand], rtol=1e-4, atol=1e-5)


def test_an_embedding_takes_the_place_of_tokens(own: Checkpoint, tiny_models: Path) -> None:
    vectors = read_embedding(tiny_models / "embeddings" / "tinymany.safetensors")
    assert vectors.shape == (4, 64)
    table = own._networks.texts[0].embeddings.token_embedding.weight
    chosen = torch.tensor([320, 1929, 530, 267])
    ids = IDS.clone()
    ids[0, 3:7] = chosen
    inserted = [Inserted(0, 3, table[chosen])]
    assert torch.equal(own.encode_text(IDS, inserted=inserted).tokens, own.encode_text(ids).tokens)
    assert not torch.equal(own.encode_text(IDS, inserted=[Inserted(0, 3, vectors)]).tokens, own.encode_text(ids).tokens)
    assert read_embedding(tiny_models / "embeddings" / "tiny concept.bin").shape == (1, 64)
    assert read_embedding(tiny_models / "embeddings" / "tinyone.pt").shape == (1, 64)


def test_another_vae_is_used_and_given_back(own: Checkpoint, models: Path, tmp_path: Path) -> None:
    plain = own.decode(X)
    other = load_autoencoder(models / "VAE" / "tiny-other.safetensors", own.facts, "cpu", torch.float32)
    own.use_autoencoder(other)
    assert not torch.equal(own.decode(X), plain)
    own.use_autoencoder(None)
    assert torch.equal(own.decode(X), plain)
    whole = {f"first_stage_model.{k}": t for k, t in load_file(models / "VAE" / "tiny-other.safetensors").items()}
    save_file(whole, tmp_path / "prefixed.safetensors")
    again = load_autoencoder(tmp_path / "prefixed.safetensors", own.facts, "cpu", torch.float32)
    assert same(again.state_dict(), other.state_dict())
    del whole["first_stage_model.decoder.conv_in.weight"]
    save_file(whole, tmp_path / "part.safetensors")
    with pytest.raises(BadModelFile, match=r"part\.safetensors lacks"):
        load_autoencoder(tmp_path / "part.safetensors", own.facts, "cpu", torch.float32)
