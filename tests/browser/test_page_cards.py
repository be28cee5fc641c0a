"""Cards of models: tags that a press puts into the prompts and takes out, checkpoints, finding, favourites, a model's page."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from safetensors.numpy import load_file, save_file

from tests.browser.darkroom import PATIENCE_MS, Darkroom
from tests.support.server import running_server

KEPT = ("tiny-a", "sdxl-a", "lin.", "xl-lin", "tinyone", "hyper.pt")
"""Of the tiny models; the others would only cost time."""
MANY = 260
TAGS = {"10_paint": {"watercolour": 120, "flower": 40, "paper texture": 11}}
NOTES = {"activation text": "wet paint", "negative text": "photograph", "preferred weight": 0.8, "description": "Soft colours."}


def fill(data: Path, store: Path) -> None:
    """A data folder with models of every kind: some with notes, one that is none, and a folder of many."""
    for source in store.rglob("*"):
        if source.is_file() and source.name.startswith(KEPT):
            target = data / source.relative_to(store)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    loras = data / "models" / "Lora"
    (loras / "style").mkdir()
    told = {"modelspec.trigger_phrase": "wet paint, watercolour", "ss_tag_frequency": json.dumps(TAGS), "ss_base_model_version": "sd_v1"}
    save_file(load_file(loras / "lin.safetensors"), loras / "style" / "watercolour.safetensors", metadata=told)
    (loras / "style" / "watercolour.json").write_text(json.dumps(NOTES))
    (loras / "letter.safetensors").write_text("Dear reader, this is no LoRA. " * 50)
    (data / "embeddings" / "many").mkdir()
    for number in range(MANY):
        (data / "embeddings" / "many" / f"word{number:04}.pt").hardlink_to(data / "embeddings" / "tinyone.pt")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, tiny_store: Path) -> Iterator[tuple[str, Path]]:
    """A server with models of every kind, and its data folder."""
    data = tmp_path_factory.mktemp("cards-data")
    fill(data, tiny_store)
    with running_server(data) as url:
        yield url, data


@pytest.fixture
def page(tab: Page, running: tuple[str, Path]) -> Iterator[Darkroom]:
    """That server's page, with tiny-a chosen."""
    answer = tab.request.post(f"{running[0]}sdapi/v1/options", data={"sd_model_checkpoint": "tiny-a.safetensors"})
    assert answer.ok
    opened = Darkroom(tab, running[0])
    opened.open()
    yield opened
    assert not opened.foreign_requests, f"asked other servers: {opened.foreign_requests}"
    assert not opened.script_errors, f"errors in scripts: {opened.script_errors}"


@pytest.fixture
def loras(running: tuple[str, Path]) -> Path:
    return running[1] / "models" / "Lora"


def cards(page: Darkroom, kind: str, tab: str = "txt2img") -> Locator:
    """The cards of a kind beside Generation, opened."""
    page.page.locator(f"#{tab}_{kind}_tab").click()
    found = page.page.locator(f'dk-cards[tab={tab}] .dk-mc[data-kind="{kind}"]')
    expect(found.first).to_be_visible()
    return found


def card(page: Darkroom, kind: str, file: str, tab: str = "txt2img") -> Locator:
    """What puts one card into the prompt."""
    return cards(page, kind, tab).and_(page.page.locator(f'[data-file="{file}"]')).locator(".dk-mc-main")


def about(page: Darkroom, file: str) -> Locator:
    """The page of a file of the Models tab, opened by its card."""
    page.show("models")
    page.page.locator(f'dk-models .dk-mc[data-file="{file}"]').get_by_role("button", name="About").first.click()
    return page.page.locator("#model_page")


def test_a_lora_card_puts_its_tag_and_its_words_and_takes_them_out(page: Darkroom) -> None:
    page.fill({"prompt": "a cat, sitting", "neg_prompt": "blurry"})
    lora = card(page, "lora", "style/watercolour.safetensors")
    lora.click()
    expect(page.field("prompt")).to_have_value("a cat, sitting <lora:watercolour:0.8> wet paint")
    expect(page.field("neg_prompt")).to_have_value("blurry photograph")
    expect(lora).to_have_attribute("aria-pressed", "true")
    page.page.locator("#txt2img_generation_tab").click()
    page.fill({"steps": "1", "width": "64", "height": "64", "seed": "5"})
    page.generate()
    page.finish(1)
    assert re.search(r'Lora hashes: "watercolour: [0-9a-f]{12}"', page.infotext())
    lora = card(page, "lora", "style/watercolour.safetensors")
    lora.click()
    expect(page.field("prompt")).to_have_value("a cat, sitting")
    expect(page.field("neg_prompt")).to_have_value("blurry")
    expect(lora).to_have_attribute("aria-pressed", "false")


LORA = {"kind": "lora", "name": "foo.v1", "alias": "nick (x)", "preferred_weight": 0.8, "activation_text": "red, cat"}
WORD = {"kind": "embedding", "name": "bad-hands", "alias": None}
TAKEN = [
    (LORA, "a dog <lora:foo.v1:0.8> red, cat", "a dog"),
    (LORA, "a dog <lora:foo.v1:0.3:0.5> red, cat, more", "a dog, more"),
    (LORA, "<lora:foo.v1:1>red cats", "red cats"),
    (LORA, "a <lyco:foo.v1> b <lora:nick (x):1> c", "a b c"),
    (LORA, "a <lora:foo_v1:1> b <hypernet:foo.v1:1>", "a <lora:foo_v1:1> b <hypernet:foo.v1:1>"),
    (LORA, "one\n<lora:foo.v1:1>\ntwo", "one\ntwo"),
    (WORD, "x, (bad-hands:1.2), y", "x, y"),
    (WORD, "Bad-Hands, x bad-hands-2", "x bad-hands-2"),
    (WORD, "x, ((bad-hands))", "x"),
]


def test_what_a_card_put_in_is_taken_out_without_a_trace(page: Darkroom) -> None:
    script = """async (cases) => {
      const { take } = await import(document.baseURI.replace(/[?#].*/, "") + "static-darkroom/js/cards/tags.js");
      return cases.map(([card, text]) => take(text, card));
    }"""
    assert page.page.evaluate(script, [case[:2] for case in TAKEN]) == [case[2] for case in TAKEN]


def test_a_tag_goes_where_the_cursor_was_and_can_be_undone(page: Darkroom) -> None:
    prompt = page.field("prompt")
    prompt.fill("a cat, sitting")
    prompt.evaluate("(box) => box.setSelectionRange(3, 3)")
    prompt.blur()
    card(page, "lora", "lin.safetensors").click()
    expect(prompt).to_have_value("a cat <lora:lin:1>, sitting")
    card(page, "hypernetwork", "hyper.pt").click()
    expect(prompt).to_have_value("a cat <lora:lin:1> <hypernet:hyper:1>, sitting")
    prompt.press("Control+z")
    expect(prompt).to_have_value("a cat <lora:lin:1>, sitting")
    prompt.fill("a cat <lora:lin:0.35>, sitting")  # whatever weight somebody gave it
    lora = card(page, "lora", "lin.safetensors")
    expect(lora).to_have_attribute("aria-pressed", "true")
    lora.click()
    expect(prompt).to_have_value("a cat, sitting")


def test_an_embedding_goes_into_the_box_that_was_typed_in_last(page: Darkroom) -> None:
    page.fill({"prompt": "a cat", "neg_prompt": "(blurry:1.2)"})
    word = card(page, "embedding", "tinyone.pt")
    word.click()
    expect(page.field("neg_prompt")).to_have_value("(blurry:1.2) tinyone")
    page.field("prompt").click()
    word.click()  # it stands somewhere: out with it
    expect(page.field("neg_prompt")).to_have_value("(blurry:1.2)")
    word.click()
    expect(page.field("prompt")).to_have_value("a cat tinyone")


def test_img2img_has_cards_of_its_own(page: Darkroom) -> None:
    page.show("img2img")
    page.fill({"prompt": ""}, "img2img")
    card(page, "lora", "lin.safetensors", "img2img").click()
    expect(page.field("prompt", "img2img")).to_have_value("<lora:lin:1>")
    expect(page.page.locator("#img2img_steps")).to_be_hidden()
    page.page.locator("#img2img_generation_tab").click()
    expect(page.page.locator("#img2img_steps")).to_be_visible()
    page.show("txt2img")
    assert "lora" not in page.value("prompt")


def test_a_checkpoint_is_chosen_and_what_does_not_fit_it_is_marked(page: Darkroom) -> None:
    chosen = page.page.locator("#setting_sd_model_checkpoint input")
    misfits = page.page.locator("dk-cards[tab=txt2img] .dk-mc-misfit")
    cards(page, "lora")
    expect(misfits).to_have_text(["for SDXL"])
    other = card(page, "checkpoint", "sdxl-a.safetensors")
    other.click()
    expect(chosen).to_have_value(re.compile("sdxl-a"))
    expect(other).to_have_attribute("aria-pressed", "true")
    cards(page, "lora")
    expect(misfits).to_have_text(["for SD1"])
    card(page, "checkpoint", "tiny-a.safetensors").click()
    expect(chosen).to_have_value(re.compile("tiny-a"))


def test_cards_are_searched_sorted_and_filtered(page: Darkroom) -> None:
    found = cards(page, "lora")
    expect(found).to_have_count(4)
    page.page.locator("#txt2img_cards_search").fill("watercolour")
    expect(found).to_have_count(1)
    page.page.locator("#txt2img_cards_search").fill("nothing like it")
    expect(page.page.locator("dk-cards[tab=txt2img] .dk-mc-empty")).to_have_text("No card fits.")
    page.page.locator("#txt2img_cards_clear").click()
    expect(found).to_have_count(4)
    page.page.locator("#txt2img_cards_folder").select_option("style")
    expect(found).to_have_count(1)
    page.page.locator("#txt2img_cards_folder").select_option("")
    page.page.locator("#txt2img_cards_family").select_option("SDXL")
    expect(found).to_have_count(1)
    expect(found).to_have_attribute("data-file", "xl-lin.safetensors")
    page.page.locator("#txt2img_cards_family").select_option("")
    page.page.locator("#txt2img_cards_sort").select_option("size")
    expect(found.first).to_have_attribute("data-file", "xl-lin.safetensors")
    page.page.locator("#txt2img_cards_descending").click()
    expect(found.first).to_have_attribute("data-file", "letter.safetensors")


def test_thousands_of_cards_are_a_few_elements(page: Darkroom) -> None:
    found = cards(page, "embedding")
    wall = page.page.locator("dk-cards[tab=txt2img] .dk-mc-wall")
    assert found.count() < 80, "only what is in sight exists"
    wall.evaluate("(wall) => wall.scrollTo(0, wall.scrollHeight)")
    last = page.page.locator(f'dk-cards[tab=txt2img] .dk-mc[data-file="many/word{MANY - 1:04}.pt"]')
    expect(last.or_(page.page.locator('dk-cards[tab=txt2img] .dk-mc[data-file="tinyone.pt"]')).first).to_be_visible()
    assert found.count() < 80
    wall.locator(".dk-mc-main").first.focus()
    page.page.keyboard.press("Home")
    expect(page.page.locator("dk-cards[tab=txt2img] .dk-mc[data-at='0'] .dk-mc-main")).to_be_focused()
    page.page.keyboard.press("ArrowRight")
    expect(page.page.locator("dk-cards[tab=txt2img] .dk-mc[data-at='1'] .dk-mc-main")).to_be_focused()


def test_without_loras_it_says_where_they_go(darkroom: Darkroom) -> None:
    darkroom.page.locator("#txt2img_lora_tab").click()
    empty = darkroom.page.locator("dk-cards[tab=txt2img] .dk-mc-empty")
    expect(empty).to_contain_text("There are no LoRAs yet. Put .safetensors files into models/Lora")
    empty.get_by_role("button", name="Download one in the Models tab").click()
    expect(darkroom.page.locator("#download_wish")).to_be_visible()


def test_models_tab_kinds_table_and_search(page: Darkroom) -> None:
    page.show("models")
    files = page.page.locator("dk-models .dk-mc")
    kinds = page.page.get_by_role("group", name="Kind")
    expect(kinds.get_by_role("button", name="Embeddings")).to_contain_text(str(MANY + 1))
    kinds.get_by_role("button", name="LoRAs").click()
    expect(files).to_have_count(4)
    broken = page.page.locator('dk-models .dk-mc[data-file="letter.safetensors"]')
    expect(broken).to_contain_text("it is a text file")
    page.page.locator("#models_view").click()
    expect(page.page.locator("dk-models .dk-mc-row")).to_have_count(4)
    expect(broken).to_contain_text("it is a text file")
    page.page.locator(".dk-mc-head").get_by_role("button", name="Size").click()
    first = files.first
    expect(first).to_have_attribute("data-file", "xl-lin.safetensors")
    page.page.locator(".dk-mc-head").get_by_role("button", name="Size").click()
    expect(first).to_have_attribute("data-file", "letter.safetensors")
    page.reload()
    page.show("models")
    expect(page.page.locator("dk-models .dk-mc-row")).to_have_count(4)
    expect(first).to_have_attribute("data-file", "letter.safetensors")
    page.page.locator("#models_search").fill("paper texture")  # a tag of its training
    expect(files).to_have_count(1)
    expect(first).to_have_attribute("data-file", "style/watercolour.safetensors")


def test_a_favourite_survives_a_reload(page: Darkroom) -> None:
    page.show("models")
    page.page.locator("#models_search").fill("lin")
    page.page.get_by_role("button", name="Make xl-lin a favourite").click()
    star = page.page.get_by_role("button", name="Take xl-lin from the favourites")
    expect(star).to_have_attribute("aria-pressed", "true")
    page.reload()
    page.show("models")
    page.page.locator("#models_favourites").click()
    expect(page.page.locator("dk-models .dk-mc")).to_have_count(1)
    cards(page_at_txt2img(page), "lora")
    expect(page.page.locator("dk-cards[tab=txt2img]").get_by_role("button", name="Take xl-lin from the favourites")).to_be_visible()
    page.show("models")
    star.first.click()
    expect(page.page.locator("dk-models").get_by_role("button", name="Make xl-lin a favourite")).to_be_visible()


def page_at_txt2img(page: Darkroom) -> Darkroom:
    page.show("txt2img")
    return page


def test_a_models_page_tells_and_takes_notes(page: Darkroom, loras: Path) -> None:
    told = about(page, "style/watercolour.safetensors")
    expect(told).to_contain_text("LoRA · SD1")
    expect(told).to_contain_text("Soft colours.")
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    told.locator(".dk-page-words .dk-page-chip", has_text="watercolour").click()
    assert page.page.evaluate("navigator.clipboard.readText()") == "watercolour"
    tags = told.locator(".dk-page-tags .dk-page-chip")
    expect(tags.first).to_contain_text("watercolour")
    expect(tags).to_have_count(3)
    told.locator("#model_preferred_weight").fill("0.6")
    told.locator("#model_notes").fill("mine")
    told.locator("#model_save").click()
    expect(page.notes().filter(has_text="Saved.")).to_be_visible()
    notes = json.loads((loras / "style" / "watercolour.json").read_text())
    assert (notes["preferred weight"], notes["notes"], notes["activation text"]) == (0.6, "mine", "wet paint")
    told.locator("#model_use").click()
    expect(page.field("prompt")).to_have_value(re.compile(r"<lora:watercolour:0\.6> wet paint$"))
    expect(told).to_have_count(0)
    (loras / "style" / "watercolour.json").write_text(json.dumps(NOTES))


def test_what_cannot_be_saved_says_so_and_loses_nothing(page: Darkroom) -> None:
    told = about(page, "lin.safetensors")
    told.locator("#model_preferred_weight").evaluate("(field) => { field.removeAttribute('max'); field.value = '5000'; }")
    told.locator("#model_notes").fill("kept")
    told.locator("#model_save").click()
    expect(page.notes()).to_contain_text("preferred_weight")
    expect(told.locator("#model_notes")).to_have_value("kept")


def test_the_last_picture_becomes_a_preview_and_one_is_drawn(page: Darkroom, loras: Path) -> None:
    page.fill({"prompt": "a cat", "steps": "2", "width": "64", "height": "64", "seed": "5"})
    page.generate()
    page.finish(1)
    made = page.picture_bytes()
    told = about(page, "lin.safetensors")
    told.get_by_text("Change the preview").click()
    told.locator("#model_preview_last").click()
    expect(told.locator(".dk-page-look img")).to_be_visible()
    preview = loras / "lin.preview.png"
    with Image.open(preview) as kept:
        assert kept.size == (64, 64) and "Seed: 5," in kept.text["parameters"]
    assert made and told.locator(".dk-page-look img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 64
    first = preview.read_bytes()
    told.locator("#model_preview_prompt").fill("a red house <lora:lin:1>")
    told.locator("#model_preview_draw").click()
    expect(told.get_by_text("The preview is being drawn")).to_be_visible()
    expect(told.get_by_text("The preview is being drawn")).to_be_hidden(timeout=PATIENCE_MS)
    assert preview.read_bytes() != first
    with Image.open(preview) as kept:
        assert kept.text["parameters"].startswith("a red house <lora:lin:1>")
    told.get_by_role("button", name="Close").click()
    expect(page.page.locator('dk-models .dk-mc[data-file="lin.safetensors"] img')).to_be_visible()
