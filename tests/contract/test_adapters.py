"""Jobs with adapters in an engine: beside others, one after another, and with files that are bad or gone."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import load_file, save_file

from app.engine.client import Done, EngineJob, Failed, PictureDone, Remarked
from app.engine.thread import ThreadEngine
from app.models import Catalog
from app.prompt import Tokenizer
from app.schema.params import make_params
from app.schema.settings import ServerSettings

from .test_engine import Watcher


class Bench:
    """A thread engine on a data folder of the test's own."""

    def __init__(self, data: Path) -> None:
        self.loras, self.embeddings = data / "models" / "Lora", data / "embeddings"
        self.catalog = Catalog(ServerSettings(data_dir=data))
        self.watcher = Watcher()
        self.engine = ThreadEngine(self.catalog.settings.model_copy(update={"device": "cpu"}), self.catalog, Tokenizer())
        self.engine.start(self.watcher)
        self._jobs = 0

    def submit(self, prompt: str, **values: object) -> str:
        self._jobs += 1
        base: dict[str, object] = {"steps": 3, "width": 64, "height": 64, "seed": 7, "sampler": "Euler", "exact": True}
        params = make_params(prompt=prompt, checkpoint="tiny-a.safetensors", **{**base, **values})
        self.engine.submit(EngineJob(id=f"{self._jobs}", client=f"{self._jobs}", params=params))
        return f"{self._jobs}"

    def picture(self, prompt: str, **values: object) -> np.ndarray:
        return self.watcher.pictures(self.submit(prompt, **values))[0]

    def told(self, prompt: str, **values: object) -> dict[str, str]:
        job = self.submit(prompt, **values)
        self.watcher.pictures(job)
        (done,) = (e for e in self.watcher.of(PictureDone, job) if isinstance(e, PictureDone))
        return done.extras

    def failure(self, prompt: str, **values: object) -> str:
        end = self.watcher.wait((Done, Failed), self.submit(prompt, **values))
        assert isinstance(end, Failed) and end.code == "bad_model_file" and end.status == 422, end
        return end.message


@pytest.fixture
def bench(tiny_data: Path) -> Iterator[Bench]:
    made = Bench(tiny_data)
    yield made
    made.engine.close()
    made.catalog.close()


def test_jobs_that_alternate_get_the_pictures_they_get_alone(bench: Bench) -> None:
    prompts = ["a cat", "a cat <lora:lin:0.7>", "a cat <lora:loha:0.6> <hypernet:hyper:0.5>", "a cat, tinyone", "a cat <lora:te-only:0.9>"]
    alone = [bench.picture(prompt) for prompt in prompts]
    assert len({picture.tobytes() for picture in alone}) == len(prompts)
    jobs = [bench.submit(prompt) for prompt in prompts * 2]
    together = [bench.watcher.pictures(job)[0] for job in jobs]
    assert all(np.array_equal(a, b) for a, b in zip(alone * 2, together, strict=True))


def test_jobs_with_the_same_adapters_share_forwards(bench: Bench) -> None:
    bench.picture("warm <lora:lin:0.7>")

    def forwards_of(*prompts: str) -> int:
        before = bench.engine.status().forwards
        for job in [bench.submit(prompt, exact=False, steps=12) for prompt in prompts]:
            bench.watcher.pictures(job)
        return bench.engine.status().forwards - before

    assert forwards_of("a cat <lora:lin:0.7>", "a dog <lora:lin:0.7>") < 2 * 12
    assert forwards_of("a cat <lora:lin:0.7>", "a dog <lora:lin:0.5>") == 2 * 12


def test_unknown_names_and_disabled_networks_do_nothing(bench: Bench) -> None:
    plain = bench.picture("a cat")
    assert np.array_equal(bench.picture("a cat<lora:nope:1><hypernet:nope:1><lora:lin:x>"), plain)
    assert np.array_equal(bench.picture("a cat<lora:lin:1>", disable_extra_networks=True), plain)
    assert bench.told("a cat<lora:nope:1>") == {}
    assert bench.told("a cat, tinyone<lora:lin:1>", negative_prompt="tinymany, tinyone") == {
        "Lora hashes": "lin: 40c9842a7eaf",
        "TI hashes": "tinyone: 195e54172d13, tinymany: 7ab2ba0c7bdb",
    }


def test_adapters_that_are_not_there_are_told_once(bench: Bench) -> None:
    job = bench.submit("a cat<lora:nope:1><lora:lin:1><lora:nope:0.5><hypernet:no:1>", n_iter=2)
    bench.watcher.pictures(job)
    assert [event.text for event in bench.watcher.of(Remarked, job) if isinstance(event, Remarked)] == ["Networks not found: nope, no"]


def test_an_embedding_in_a_picture_is_the_embedding(bench: Bench) -> None:
    before = bench.picture("a cat, tinyone")
    pickled = bench.embeddings / "tinyone.pt"
    (vectors,) = torch.load(pickled, weights_only=True)["string_to_param"].values()
    said = {"string_to_param": {"*": {"TORCHTENSOR": vectors.float().tolist()}}, "name": "other", "step": 5}
    text = PngInfo()
    text.add_text("sd-ti-embedding", base64.b64encode(json.dumps(said).encode()).decode())
    Image.new("RGB", (8, 8)).save(bench.embeddings / "tinyone.png", pnginfo=text)
    Image.new("RGB", (8, 8)).save(bench.embeddings / "tinymany.png")  # a preview
    text = PngInfo()
    text.add_itxt("sd-ti-embedding", "bm90IEpTT04=")
    Image.new("RGB", (8, 8)).save(bench.embeddings / "broken.png", pnginfo=text)
    pickled.unlink()
    bench.catalog.refresh()
    assert {file.path.name for file in bench.catalog.of_kind("embedding")} >= {"tinyone.png", "broken.png"}
    assert "tinymany.png" not in {file.path.name for file in bench.catalog.of_kind("embedding")}
    assert np.array_equal(bench.picture("a cat, tinyone"), before)
    assert len(bench.told("a cat, tinyone")["TI hashes"]) == len("tinyone: 195e54172d13")


def test_embeddings_in_a_lora_act_where_the_lora_does(bench: Bench) -> None:
    whole = load_file(bench.loras / "lin.safetensors")
    (vectors,) = torch.load(bench.embeddings / "tinyone.pt", weights_only=True)["string_to_param"].values()
    bundled = {"bundle_emb.sparkle.string_to_param.*": vectors, "bundle_emb.wide.emb_params": torch.ones(1, 768)}
    save_file({**whole, **bundled}, bench.loras / "bundle.safetensors")
    bench.catalog.refresh()
    named = bench.picture("a cat, tinyone <lora:lin:0.7>", negative_prompt="tinyone")
    assert np.array_equal(bench.picture("a cat, sparkle <lora:bundle:0.7>", negative_prompt="sparkle"), named)
    word = bench.picture("a cat, sparkle <lora:lin:0.7>", negative_prompt="sparkle")
    assert not np.array_equal(word, named), "without the file it is a word"
    assert np.array_equal(bench.picture("a cat, wide <lora:bundle:0.7>"), bench.picture("a cat, wide <lora:lin:0.7>"))
    assert "TI hashes" not in bench.told("a cat, sparkle <lora:bundle:0.7>")


def test_bad_files_are_told_in_one_sentence_and_the_next_job_is_well(bench: Bench) -> None:
    whole = (bench.loras / "lin.safetensors").read_bytes()
    (bench.loras / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (bench.loras / "text.pt").write_text("hello")
    torch.save({"lora_unet_x.lora_up.weight": Path}, bench.loras / "code.pt")
    layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    save_file({f"{layer}.lora_{part}.weight": torch.ones(4, 1024) for part in ("down", "up")}, bench.loras / "wide.safetensors")
    save_file({"lora_unet_nowhere.lora_up.weight": torch.ones(2, 2), "lora_unet_nowhere.lora_down.weight": torch.ones(2, 2)},
              bench.loras / "alien.safetensors")  # fmt: skip
    (bench.loras.parent / "hypernetworks" / "bad.pt").write_bytes(b"PK\x03\x04")
    bench.catalog.refresh()
    assert bench.failure("a <lora:cut:1>").startswith("cut.safetensors: The file is cut off")
    assert bench.failure("a <lora:text:1>").startswith("text.pt: The file is no PyTorch checkpoint")
    assert "is program code and not weights" in bench.failure("a <lora:code:1>")
    assert "takes texts of width 1024, tiny-a has 64" in bench.failure("a <lora:wide:1>")
    assert "alien.safetensors was made for another family" in bench.failure("a <lora:alien:1>")
    assert "bad.pt" in bench.failure("a <hypernet:bad:1>")
    assert bench.told("a <lora:lin:1>")["Lora hashes"] == "lin: 40c9842a7eaf"


def test_a_changed_embedding_is_read_again(bench: Bench) -> None:
    before = bench.picture("a cat, tinyone")
    save_file({"emb_params": torch.ones(2, 64)}, bench.embeddings / "tinyone.safetensors")
    (bench.embeddings / "tinyone.pt").unlink()
    bench.catalog.refresh()
    after = bench.picture("a cat, tinyone")
    assert not np.array_equal(before, after)
    (bench.embeddings / "tinyone.safetensors").unlink()
    bench.catalog.refresh()
    assert not np.array_equal(bench.picture("a cat, tinyone"), after)  # now it is a word


def test_vaes_by_name_and_their_hashes(bench: Bench) -> None:
    own = bench.picture("a cat")
    told = bench.told("a cat", vae="tiny-pickle.vae.pt")
    assert told == {"VAE hash": "5ed0f7969b", "VAE": "tiny-pickle.vae.pt"}
    assert not np.array_equal(bench.picture("a cat", vae="tiny-pickle.vae.pt"), own)
    assert np.array_equal(bench.picture("a cat", vae="None"), own) and np.array_equal(bench.picture("a cat", vae="no such file"), own)
    damaged = bench.loras.parent / "VAE" / "damaged.safetensors"
    forwards = bench.engine.status().forwards
    damaged.write_bytes((bench.loras.parent / "VAE" / "tiny-other.safetensors").read_bytes()[:9000])
    bench.catalog.refresh()
    assert "damaged.safetensors" in bench.failure("a cat", vae="damaged.safetensors")
    assert bench.engine.status().forwards == forwards
