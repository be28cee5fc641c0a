"""Cards of model files: what they tell, how they are found, what a user says of them, and what lies beside them."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from app.models import EMBEDDED, Catalog
from app.models.folders import Kind
from app.models.library import Card, Library, Notes, Search
from app.models.library.told import MAX_NOTES_BYTES
from app.schema.disk import CannotSave
from app.schema.errors import DarkroomError, InvalidParams, UnknownName
from app.schema.settings import ServerSettings
from tests.support.model_files import torch_file, write_header, write_shapes, zeros

WAIT_S = 60.0
LORA = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


class Evil:
    """Unpickling it would call `os.system`."""

    def __reduce__(self) -> object:
        return os.system, ("false",)


class Collection:
    """A data folder with its library, which can be opened again."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.open()

    def open(self) -> None:
        self.catalog = Catalog(ServerSettings(data_dir=self.data_dir))
        self.library = Library(self.catalog, self.data_dir / "models.sqlite3")

    def close(self) -> None:
        self.library.close()
        self.catalog.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    def lora(self, name: str, width: int = 768, **metadata: str) -> Path:
        shapes = {f"{LORA}.lora_down.weight": (4, width), f"{LORA}.lora_up.weight": (320, 4)}
        return write_shapes(self.data_dir / "models" / "Lora" / f"{name}.safetensors", shapes, metadata)

    def fresh(self) -> None:
        self.catalog.refresh()
        self.library.read()

    def names(self, **search: Any) -> list[str]:
        return [card.file.name for card in self.library.find(Search(**search)).cards]

    def card(self, name: str, kind: Kind = "lora") -> Card:
        return self.library.get(kind, name if "." in name else f"{name}.safetensors")


def wait_until(collection: Collection, comes: Callable[[], bool]) -> None:
    """Fails unless it comes within WAIT_S."""
    for _ in range(int(WAIT_S * 10)):
        if comes():
            return
        collection.library._stopping.wait(0.1)
    raise AssertionError("it has not come")


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    made = Collection(tmp_path)
    yield made
    made.close()


# ---------------------------------------------------------------- what cards tell


def test_the_tiny_models_of_every_kind(tiny_data: Path) -> None:
    made = Collection(tiny_data)
    made.fresh()
    page = made.library.find(Search(), limit=1000)
    assert page.unread == 0 and {"checkpoint", "lora", "embedding", "vae", "hypernetwork"} == set(page.kinds)
    assert [card.file.name for card in page.cards if card.problem] == []
    cards = {card.file.name: card for card in page.cards}
    assert (cards["tiny-a"].family, cards["tiny-a"].details.form, cards["tiny-a"].details.precision) == (
        "SD1",
        "Stable Diffusion 1",
        "fp16",
    )
    assert (cards["sdxl-refiner"].family, cards["sd2-v"].family) == ("SDXL refiner", "SD2")
    assert "DoRA" in cards["dora"].details.form and cards["unet-only"].details.alias == "glossy-unet"
    assert cards["tinymany"].details.form == "4 vectors" and cards["tinyone"].details.form == "1 vector"
    assert cards["hyper"].details.form.startswith("widths ") and cards["tiny-other"].details.form == "4 channels"
    made.close()


@pytest.mark.parametrize(("width", "family"), [(768, "SD1"), (1024, "SD2"), (2048, "SDXL"), (64, "")])
def test_a_loras_family_by_its_width(collection: Collection, width: int, family: str) -> None:
    collection.lora("one", width)
    collection.fresh()
    assert collection.card("one").family == family


def test_a_family_by_words_where_no_shape_tells(collection: Collection) -> None:
    folder = collection.data_dir / "models" / "Lora"
    for name, key, value in (
        ("a", "ss_base_model_version", "sdxl_base_v1-0"),
        ("b", "modelspec.architecture", "stable-diffusion-v1/lora"),
        ("c", "ss_base_model_version", "flux1"),
        ("d", "ss_base_model_version", "sd_v2"),
    ):
        write_shapes(folder / f"{name}.safetensors", {"lora_unet_x.lokr_w1": (4, 4)}, {key: value})
    write_shapes(folder / "e.safetensors", {"lora_te2_x.lora_down.weight": (4, 1280)})
    write_shapes(folder / "f.safetensors", {"lora_unet_x.lokr_w1": (4, 4)})
    (folder / "f.civitai.info").write_text(json.dumps({"baseModel": "Illustrious"}))
    collection.fresh()
    assert [collection.card(name).family for name in "abcdef"] == ["SDXL", "SD1", "Flux", "SD2", "SDXL", "SDXL"]


@pytest.mark.parametrize(
    ("tensors", "family"),
    [
        ({"lora_unet_input_blocks_7_1_transformer_blocks_5_attn1_to_k.lokr_w1": (4, 4)}, "SDXL"),
        ({"unet.mid_block.attentions.0.transformer_blocks.3.attn1.to_k.lora_A.weight": (4, 1280)}, "SDXL"),
        ({"lora_te1_x.lora_down.weight": (4, 768), "lora_te2_x.lora_down.weight": (4, 1280)}, "SDXL"),
        ({"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (4, 3072)}, "Flux"),
        ({"transformer.single_transformer_blocks.3.attn.to_k.lora_A.weight": (4, 3072)}, "Flux"),
        ({"transformer.transformer_blocks.3.attn.to_k.lora_A.weight": (4, 1536)}, "SD3"),
        ({"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_k.lora_down.weight": (4, 320)}, ""),
        ({"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (4, 768)}, "SD1"),
        ({"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (4, 1024)}, "SD2"),
    ],
)
def test_a_loras_family_by_layers_that_one_family_has(collection: Collection, tensors: dict[str, tuple[int, ...]], family: str) -> None:
    write_shapes(collection.data_dir / "models" / "Lora" / "a.safetensors", tensors)
    collection.fresh()
    assert collection.card("a").family == family


def test_embeddings_and_upscalers(collection: Collection) -> None:
    embeddings, upscalers = collection.data_dir / "embeddings", collection.data_dir / "models" / "ESRGAN"
    embeddings.mkdir()
    upscalers.mkdir(parents=True)
    write_shapes(embeddings / "sd1.safetensors", {"emb_params": (3, 768)})
    write_shapes(embeddings / "xl.safetensors", {"clip_l": (2, 768), "clip_g": (2, 1280)})
    (upscalers / "x4.pth").write_bytes(torch_file({"params_ema": {"body.0.rdb1.conv1.weight": zeros(4, 4)}}))
    (upscalers / "odd.pth").write_bytes(torch_file({"weight": zeros(4)}))
    collection.fresh()
    assert (collection.card("sd1", "embedding").family, collection.card("xl", "embedding").family) == ("SD1", "SDXL")
    assert collection.card("x4.pth", "upscaler").details.form == "ESRGAN"
    assert (collection.card("odd.pth", "upscaler").problem, collection.card("odd.pth", "upscaler").details.form) == (None, "")


def test_damaged_files_are_listed_with_the_reason(collection: Collection) -> None:
    whole = collection.lora("whole").read_bytes()
    folder = collection.data_dir / "models" / "Lora"
    (folder / "cut.safetensors").write_bytes(whole[:-100])
    torch.save({"a.lora_down.weight": torch.zeros(2), "x": Evil()}, folder / "code.pt")
    (folder / "page.safetensors").write_text("<!DOCTYPE html><html></html>")
    write_header(folder / "none.safetensors", {})
    write_shapes(folder / "vae.safetensors", {"decoder.conv_in.weight": (4, 4, 3, 3)})
    shutil.copy(folder / "whole.safetensors", collection.data_dir / "not-a-hypernetwork.pt")
    (collection.data_dir / "models" / "hypernetworks").mkdir()
    (collection.data_dir / "models" / "hypernetworks" / "odd.pt").write_bytes(torch_file({"step": 4}))
    collection.fresh()
    problems = {card.file.name: card.problem for card in collection.library.find(Search()).cards}
    assert problems.pop("whole") is None
    told = {
        "cut": "cut off",
        "code": "which is program code and not weights",
        "page": "web page",
        "none": "no LoRA",
        "vae": "no LoRA",
        "odd": "no hypernetwork",
    }
    assert problems.keys() == told.keys()
    for name, words in told.items():
        assert words in (problems[name] or ""), (name, problems[name])


def test_a_checkpoint_of_a_family_that_is_not_loaded_has_its_family(collection: Collection) -> None:
    path = collection.data_dir / "models" / "Stable-diffusion" / "big.safetensors"
    write_shapes(path, {"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (4, 4)})
    collection.fresh()
    card = collection.card("big", "checkpoint")
    assert card.family == "Flux" and "does not load that family yet" in (card.problem or "")


# ---------------------------------------------------------------- finding


@pytest.fixture
def several(collection: Collection) -> Collection:
    for number, (name, width) in enumerate((("style/ink 10", 768), ("style/ink 2", 768), ("people/old/Ann", 2048), ("Zed", 64))):
        path = collection.lora(
            name, width, **{"modelspec.trigger_phrase": f"word{number}, other", "ss_tag_frequency": '{"x": {"a hat": 2}}'}
        )
        os.utime(path, (1000 + number, 1000 + number))
    (collection.data_dir / "embeddings").mkdir()
    write_shapes(collection.data_dir / "embeddings" / "calm.safetensors", {"emb_params": (1, 768)})
    collection.fresh()
    return collection


def test_searching_filtering_and_sorting(several: Collection) -> None:
    assert several.names() == ["Ann", "calm", "ink 2", "ink 10", "Zed"]
    assert several.names(descending=True)[0] == "Zed"
    assert several.names(text="INK 10") == ["ink 10"] and several.names(text="people") == ["Ann"]
    assert several.names(text="word1 other") == ["ink 2"] and len(several.names(text="hat")) == 4
    assert several.names(kinds=frozenset({"embedding"})) == ["calm"]
    assert several.names(families=frozenset({"SD1"})) == ["calm", "ink 2", "ink 10"] and several.names(families=frozenset({""})) == ["Zed"]
    assert several.names(folder="people") == several.names(folder="people/old") == ["Ann"] and several.names(folder="peop") == []
    loras = frozenset({"lora"})
    assert several.names(kinds=loras, order="date", descending=True) == ["Zed", "Ann", "ink 2", "ink 10"]
    assert several.names(kinds=loras, order="size")[-1] == "Ann"


def test_pages_and_counts(several: Collection) -> None:
    page = several.library.find(Search(families=frozenset({"SD1"})), offset=1, limit=1)
    assert [card.file.name for card in page.cards] == ["ink 2"] and page.total == 3
    assert page.kinds == {"embedding": 1, "lora": 2} and page.families == {"SD1": 3, "SDXL": 1, "": 1}
    assert page.folders == {"style": 2}
    assert several.library.find(Search()).folders == {"style": 2, "people": 1, "people/old": 1}
    assert several.library.find(Search(), offset=99).cards == []


def test_what_was_read_is_read_once_for_each_state(several: Collection) -> None:
    several.reopen()
    assert several.library.find(Search()).unread == 0 and several.card("people/old/Ann").family == "SDXL"
    several.lora("people/old/Ann", 768, other="metadata")
    several.catalog.refresh()
    assert several.library.find(Search()).unread == 1
    several.library.read()
    assert several.card("people/old/Ann").family == "SD1"


def test_a_file_that_comes_changes_or_goes_shows_by_itself(several: Collection) -> None:
    news: list[dict[str, object]] = []
    several.library.on_news(lambda told: news.append(dict(told)))
    several.library.start()
    assert several.library._follower.following.wait(WAIT_S)
    path = several.lora("later", 1024)
    wait_until(several, lambda: "later" in several.names() and several.card("later").family == "SD2")
    path.with_suffix(".png").write_bytes(b"picture")
    path.with_suffix(".json").write_text('{"notes": "new"}')
    wait_until(several, lambda: several.card("later").preview is not None and several.card("later").said.notes == "new")
    path.unlink()
    wait_until(several, lambda: "later" not in several.names())
    wait_until(several, lambda: news[-1] == {"files": 5, "unread": 0})


def test_a_folder_that_comes_later_is_followed(collection: Collection) -> None:
    collection.library.start()
    collection.lora("first")
    wait_until(collection, lambda: collection.names() == ["first"])
    assert collection.library._follower.following.wait(WAIT_S)
    collection.lora("second")
    wait_until(collection, lambda: collection.names() == ["first", "second"])


# ---------------------------------------------------------------- what lies beside


def test_previews_by_the_usual_names(collection: Collection) -> None:
    for name in ("a", "b", "c", "d"):
        collection.lora(name)
    folder = collection.data_dir / "models" / "Lora"
    for name in ("a.png", "a.preview.png", "b.jpeg", "c.preview.webp", "d.txt", "x.png"):
        (folder / name).write_bytes(b"picture")
    collection.fresh()
    found = {name: Path(preview).name if (preview := collection.card(name).preview) else None for name in "abcd"}
    assert found == {"a": "a.preview.png", "b": "b.jpeg", "c": "c.preview.webp", "d": None}


def test_a_link_that_leads_to_itself_hides_no_other_preview(collection: Collection) -> None:
    lora = collection.lora("a")
    for ending in (".json", ".preview.png", ".civitai.info"):
        lora.with_suffix(ending).symlink_to(lora.with_suffix(ending).name)
    lora.with_suffix(".webp").write_bytes(b"picture")
    collection.fresh()
    assert collection.card("a").preview == str(lora.with_suffix(".webp")) and collection.card("a").remarks == ()


def test_a_preview_outside_of_all_folders_is_not_shown(collection: Collection, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"picture")
    lora = collection.lora("a")
    lora.with_suffix(".png").symlink_to(secret)
    collection.fresh()
    assert collection.library.preview("lora", "a.safetensors") is None
    lora.with_suffix(".png").unlink()
    lora.with_suffix(".png").write_bytes(b"picture")
    collection.fresh()
    assert collection.library.preview("lora", "a.safetensors") is not None


def test_notes_of_a1111_and_civitai_helper_are_read(collection: Collection) -> None:
    path = collection.lora("a")
    said = {
        "description": "d",
        "sd version": "SD1",
        "activation text": "hat, red",
        "preferred weight": 0.7,
        "negative text": "bad",
        "notes": "n",
    }
    path.with_suffix(".json").write_text(json.dumps(said))
    about = {
        "id": 12, "modelId": 3, "name": "v1", "baseModel": "Pony", "trainedWords": ["hat, red", "blue"],
        "description": "<p>one&amp;</p>two",
        "model": {"name": "A Hat", "type": "LORA"}, "files": [{"hashes": {"SHA256": "AB" * 32}}],
    }  # fmt: skip
    path.with_suffix(".civitai.info").write_text(json.dumps(about))
    collection.fresh()
    card = collection.card("a")
    assert (card.said.activation_text, card.said.preferred_weight, card.said.notes) == ("hat, red", 0.7, "n")
    assert card.trigger_words == ("hat", "red", "blue") and card.civitai.page == "https://civitai.com/models/3?modelVersionId=12"
    assert card.base_model == "Pony" and card.civitai.description == "one&\ntwo" and card.civitai.sha256 == ("ab" * 32,)
    assert collection.names(text="a hat") == ["a"] and card.remarks == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no json", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"notes": "\\ud800"}', "is no JSON"),
        (b'{"preferred weight": 1e999}', "is no JSON"),
        (b"[1, 2]", "holds no JSON object"),
        (b" " * (MAX_NOTES_BYTES + 1), "has over 8 MB"),
    ],
)
def test_bad_notes_are_told_and_left_as_they_are(collection: Collection, content: bytes, sentence: str) -> None:
    path = collection.lora("a")
    for ending in (".json", ".civitai.info"):
        path.with_suffix(ending).write_bytes(content)
    collection.fresh()
    card = collection.card("a")
    assert card.family == "SD1" and len(card.remarks) == 2 and all(sentence in remark for remark in card.remarks)
    with pytest.raises(DarkroomError, match=sentence):
        collection.library.change("lora", "a.safetensors", {"notes": "mine"})
    assert path.with_suffix(".json").read_bytes() == content and collection.card("a").said.notes is None
    assert collection.library.change("lora", "a.safetensors", {"favourite": True}).mark.favourite


def test_values_that_make_no_sense_are_passed_over(collection: Collection) -> None:
    path = collection.lora("a")
    path.with_suffix(".json").write_text(json.dumps({"notes": 3, "preferred weight": "much", "activation text": ["x"], "description": "d"}))
    path.with_suffix(".civitai.info").write_text(json.dumps({"id": "", "model": 3, "files": {}, "trainedWords": "x", "modelId": True}))
    collection.fresh()
    card = collection.card("a")
    assert (card.said.description, card.said.notes, card.said.preferred_weight, card.civitai.page) == ("d", None, None, None)


# ---------------------------------------------------------------- what a user says


def test_changes_at_the_same_time_all_stay(collection: Collection) -> None:
    path = collection.lora("a")
    collection.fresh()
    names = ("notes", "description", "sd_version", "activation_text", "negative_text", "preferred_vae")
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: collection.library.change("lora", "a.safetensors", {name: "x"}), names))
    card = collection.card("a")
    assert card.said == Notes(notes="x", description="x", sd_version="x", activation_text="x", negative_text="x")
    assert card.mark.preferred_vae == "x" and len(json.loads(path.with_suffix(".json").read_text())) == 5


def test_of_two_files_of_one_name_the_first_is_meant(collection: Collection) -> None:
    """As in prompts: `models/Lora` goes before `models/LyCORIS`."""
    first = collection.lora("a", 768)
    other = collection.data_dir / "models" / "LyCORIS" / "a.safetensors"
    other.parent.mkdir()
    write_shapes(other, {"lora_te2_x.lora_down.weight": (4, 1280)})
    collection.fresh()
    assert collection.card("a").family == "SD1" and collection.library.find(Search()).total == 1
    first.unlink()
    collection.fresh()
    assert collection.card("a").family == "SDXL"


def test_notes_go_into_a1111s_file_and_leave_the_rest_of_it(collection: Collection) -> None:
    path = collection.lora("a")
    notes = path.with_suffix(".json")
    notes.write_text(json.dumps({"activation text": "old", "another program": [1], "preferred weight": 0.5}))
    collection.fresh()
    card = collection.library.change("lora", "a.safetensors", {"activation_text": "häts", "preferred_weight": None, "favourite": True})
    assert (card.said.activation_text, card.said.preferred_weight, card.mark.favourite) == ("häts", None, True)
    assert json.loads(notes.read_text("utf-8")) == {"activation text": "häts", "another program": [1], "preferred weight": 0}
    assert not list(path.parent.glob(".*"))
    assert collection.names(text="HÄTS", favourites=True) == ["a"]
    collection.reopen()
    assert collection.card("a").mark.favourite and collection.card("a").said.activation_text == "häts"


def test_the_programs_own_folder_is_left_as_it_is(tmp_path: Path) -> None:
    own = write_shapes(tmp_path / "program" / f"{EMBEDDED}.safetensors", {"x": (1,)})
    catalog = Catalog(ServerSettings(data_dir=tmp_path / "data", embedded_dir=own.parent))
    library = Library(catalog, tmp_path / "data" / "models.sqlite3")
    assert library.change("checkpoint", own.name, {"notes": "mine"}).said.notes == "mine"
    with pytest.raises(InvalidParams, match="comes with Darkroom"):
        library.set_preview("checkpoint", own.name, b"a picture")
    assert list(own.parent.iterdir()) == [own]
    mine = write_shapes(tmp_path / "program" / "mine.safetensors", {"x": (1,)})
    catalog.refresh()
    assert catalog.find(EMBEDDED).comes_along and not catalog.find("mine").comes_along
    library.change("checkpoint", mine.name, {"notes": "mine"})
    assert mine.with_suffix(".json").is_file(), "what else lies there is the user's"
    library.close()
    catalog.close()


def test_notes_are_kept_where_a_folder_takes_no_file(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    collection.lora("a")
    path = collection.lora("b")
    path.with_suffix(".json").write_text(json.dumps({"notes": "there"}))
    collection.fresh()
    folder = path.parent
    opened = Path.open

    def read_only(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "x" in mode and self.parent == folder:
            raise PermissionError(13, "Permission denied")
        return opened(self, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", read_only)
    assert collection.library.change("lora", "a.safetensors", {"notes": "mine"}).said.notes == "mine"
    with pytest.raises(CannotSave, match="Permission denied"):
        collection.library.change("lora", "b.safetensors", {"notes": "mine"})
    assert collection.card("b").said.notes == "there"
    collection.reopen()
    assert collection.card("a").said.notes == "mine"


def test_marks_follow_a_file(collection: Collection) -> None:
    path = collection.lora("a")
    collection.lora("b", 1024)
    collection.fresh()
    collection.library.change("lora", "a.safetensors", {"favourite": True})
    collection.catalog.hash(collection.card("a").file)
    collection.fresh()
    collection.library.find(Search())  # notes the hash
    path.rename(path.with_name("renamed.safetensors"))
    collection.lora("a", 2048)  # another file in its place
    collection.fresh()
    collection.catalog.start_background_hashing()  # the size of a lost file makes a file worth hashing
    wait_until(collection, lambda: collection.card("renamed").mark.favourite)
    collection.catalog.hash(collection.card("a").file)
    assert not collection.card("a").mark.favourite


def test_marks_go_with_a_file_that_darkroom_moves(collection: Collection) -> None:
    path = collection.lora("a")
    collection.fresh()
    collection.library.change("lora", "a.safetensors", {"favourite": True})
    path.rename(path.with_name("b.safetensors"))
    collection.library.marks.moved(path, path.with_name("b.safetensors"))
    collection.fresh()
    assert collection.card("b").mark.favourite
    collection.reopen()
    assert collection.card("b").mark.favourite


def test_two_equal_files_share_their_marks(collection: Collection) -> None:
    path = collection.lora("a")
    shutil.copy(path, path.with_name("b.safetensors"))
    collection.fresh()
    for name in "ab":
        collection.catalog.hash(collection.card(name).file)
    collection.library.change("lora", "b.safetensors", {"favourite": True})
    assert collection.names(favourites=True) == ["a", "b"]


def test_what_was_used_last_comes_first(several: Collection) -> None:
    several.lora("named", 768, ss_output_name="other name")
    several.fresh()
    several.library.used([("lora", "Zed"), ("lora", "no such file"), ("lora", "other name")], "a CALM sea\nnot")
    several.library.note_uses()
    assert set(several.names(order="used", descending=True)[:3]) == {"Zed", "named", "calm"}
    several.library.used([("lora", "style/ink 2.safetensors")], "calmly")
    several.library.note_uses()
    assert several.names(order="used", descending=True)[0] == "ink 2" and several.names(order="used")[0] in ("Ann", "ink 10")
    several.reopen()
    assert several.card("Zed").mark.last_used is not None


def test_unknown_files_and_a_damaged_database(collection: Collection) -> None:
    collection.lora("a")
    collection.fresh()
    for filename in ("b.safetensors", "../Lora/a.safetensors", "/etc/passwd", ""):
        with pytest.raises(UnknownName, match="There is no lora"):
            collection.library.get("lora", filename)
    collection.close()
    (collection.data_dir / "models.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(DarkroomError, match=r"models\.sqlite3 in the data folder cannot be used"):
        collection.open()
    (collection.data_dir / "models.sqlite3").unlink()
    collection.open()
    collection.library.change("lora", "a.safetensors", {"favourite": True})
    with sqlite3.connect(collection.data_dir / "models.sqlite3") as connection:
        assert connection.execute("SELECT favourite FROM marks").fetchall() == [(1,)]
    connection.close()
