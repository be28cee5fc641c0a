"""The Models tab's work: a merge made in the page draws a picture; what cannot be; a model's buttons; the trash."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Locator, expect

from app.models import EMBEDDED
from tests.browser.darkroom import PATIENCE_MS, Darkroom
from tests.support.model_files import write_shapes


@pytest.fixture
def models(server_url: str, server_data: Path, tiny_store: Path) -> Iterator[Path]:
    """The tiny checkpoints and a LoRA in the server's folders; what the test made there goes with them."""
    folder = server_data / "models"
    before = set(folder.rglob("*"))
    for name in ("tiny-a", "tiny-b", "sdxl-a", "lin"):
        source = next(tiny_store.rglob(f"{name}.safetensors"))
        target = folder / source.relative_to(tiny_store / "models")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    refresh(server_url)
    yield folder
    for path in sorted(set(folder.rglob("*")) - before, reverse=True):
        if path.is_file():
            path.unlink()
    refresh(server_url)
    post(f"{server_url}sdapi/v1/options", {"sd_model_checkpoint": f"{EMBEDDED}.safetensors"})


def refresh(url: str) -> None:
    post(f"{url}api/v1/models/refresh", {})


def post(url: str, body: object) -> None:
    """One request of a program; fails for an answer that is none of success."""
    with urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=30) as answer:
        assert answer.status < 300


def jobs(darkroom: Darkroom) -> Locator:
    """The rows of the list of model jobs."""
    return darkroom.page.locator("dk-model-jobs .dk-download")


def rename(actions: Locator, name: str) -> None:
    """Asks for another name of the file that is open."""
    actions.get_by_role("button", name="Rename …").click()
    actions.get_by_label("New name").fill(name)
    actions.get_by_role("button", name="Rename", exact=True).click()


def open_merge(darkroom: Darkroom) -> None:
    darkroom.show("models")
    darkroom.page.locator("#models_merge").click()
    expect(darkroom.page.locator("#modelmerger_primary_model_name option[value='tiny-a.safetensors']")).to_be_attached(timeout=PATIENCE_MS)


def test_a_merge_made_in_the_page_draws_a_picture(darkroom: Darkroom, models: Path) -> None:
    open_merge(darkroom)
    page = darkroom.page
    page.locator("#modelmerger_primary_model_name").select_option("tiny-a.safetensors")
    page.locator("#modelmerger_secondary_model_name").select_option("tiny-b.safetensors")
    expect(page.locator("#modelmerger_tertiary_model_name")).to_be_disabled()
    page.get_by_label("Multiplier (M), as a number").fill("0.5")
    page.locator("#modelmerger_add_lora").click()
    page.get_by_label("LoRA", exact=True).select_option("lin.safetensors")
    page.get_by_label("Weight of the LoRA").fill("0.25")
    page.locator("#modelmerger_custom_name").fill("made in the page")
    page.locator("#modelmerger_merge").click()
    expect(jobs(darkroom).first).to_contain_text("made in the page.safetensors was written", timeout=PATIENCE_MS)
    assert (models / "Stable-diffusion" / "made in the page.safetensors").is_file()
    darkroom.show("txt2img")
    darkroom.fill({"prompt": "a red house", "steps": "2", "width": "64", "height": "64", "seed": "1"})
    chosen = page.locator("#setting_sd_model_checkpoint input")
    chosen.fill("made in the page")
    page.get_by_role("option", name="made in the page").first.click()
    darkroom.generate()
    darkroom.finish(1)
    assert "Model: made in the page" in darkroom.infotext()


def test_what_cannot_be_merged_gets_its_sentence(darkroom: Darkroom, models: Path) -> None:
    open_merge(darkroom)
    page = darkroom.page
    page.locator("#modelmerger_primary_model_name").select_option("tiny-a.safetensors")
    page.locator("#modelmerger_merge").click()
    expect(darkroom.notes()).to_contain_text("Weighted sum needs a secondary model")
    page.locator("#modelmerger_secondary_model_name").select_option("sdxl-a.safetensors")
    page.locator("#modelmerger_custom_name").fill("impossible")
    page.locator("#modelmerger_merge").click()
    expect(darkroom.notes().last).to_contain_text("Only checkpoints of one family can be merged", timeout=PATIENCE_MS)
    assert not list((models / "Stable-diffusion").glob("*impossible*"))


def test_a_models_buttons_and_the_trash(darkroom: Darkroom, models: Path) -> None:
    darkroom.show("models")
    page = darkroom.page
    page.locator('dk-models .dk-mc[data-file="lin.safetensors"]').get_by_role("button", name="About").first.click()
    window = page.locator("#model_page")
    tried = window.locator("dk-model-actions")
    tried.get_by_role("button", name="Verify").click()
    expect(tried.locator(".dk-job-summary")).to_contain_text("lin.safetensors is", timeout=PATIENCE_MS)
    rename(tried, "a/b")
    expect(tried.locator(".dk-job-summary")).to_contain_text("cannot be the name of a file")
    rename(tried, "other name")
    expect(window.locator(".dk-page-place")).to_have_text("other name.safetensors", timeout=PATIENCE_MS)
    tried.get_by_role("button", name="Throw away").click()
    expect(window).to_be_hidden(timeout=PATIENCE_MS)
    assert not (models / "Lora" / "other name.safetensors").exists()
    expect(jobs(darkroom).first).to_contain_text("can be taken back")
    page.locator("dk-model-trash summary").click()
    page.get_by_role("button", name="Take other name.safetensors back").click()
    expect(page.locator("dk-model-trash")).to_contain_text("Nothing was thrown away", timeout=PATIENCE_MS)
    assert (models / "Lora" / "other name.safetensors").is_file()
    first = jobs(darkroom).first
    expect(first).to_contain_text("is back")
    name = first.get_attribute("data-id")
    first.get_by_role("button").click()
    expect(page.locator(f'dk-model-jobs [data-id="{name}"]')).to_have_count(0)


def test_the_checkpoint_in_use_under_another_name_and_in_the_trash(darkroom: Darkroom, models: Path) -> None:
    page, chosen = darkroom.page, darkroom.page.locator("#setting_sd_model_checkpoint input")
    darkroom.show("models")
    window = page.locator("#model_page")
    page.locator('dk-models .dk-mc[data-file="tiny-a.safetensors"]').get_by_role("button", name="About").first.click()
    window.locator("#model_use").click()
    expect(chosen).to_have_value(re.compile("^tiny-a"))
    tried = window.locator("dk-model-actions")
    rename(tried, "pocket-emoji-v1")
    expect(tried.locator(".dk-job-summary")).to_contain_text("is the name of a checkpoint that comes with Darkroom")
    rename(tried, "renamed")
    expect(chosen).to_have_value(re.compile("^renamed"), timeout=PATIENCE_MS)
    tried.get_by_role("button", name="Throw away").click()
    expect(chosen).to_have_value(re.compile("^sdxl-a"), timeout=PATIENCE_MS)  # the next of one's own
    expect(darkroom.notes().last).to_contain_text("sdxl-a.safetensors is used")
    darkroom.show("txt2img")
    darkroom.fill({"prompt": "a red apple", "steps": "1", "width": "64", "height": "64"})
    darkroom.generate()
    darkroom.finish(1)
    assert "Model: sdxl-a" in darkroom.infotext()


def test_one_at_work_is_cancelled(darkroom: Darkroom, models: Path) -> None:
    """A file of some gigabytes (a hole, which takes no room on the disk) is read for a while."""
    shapes = {"lora_unet_x.lora_up.weight": (40_000, 40_000), "lora_unet_x.lora_down.weight": (4, 40_000)}
    write_shapes(models / "Lora" / "big.safetensors", shapes)
    refresh(darkroom.url)
    darkroom.show("models")
    darkroom.page.locator('dk-models .dk-mc[data-file="big.safetensors"]').get_by_role("button", name="About").first.click()
    darkroom.page.locator("#model_page dk-model-actions").get_by_role("button", name="Verify").click()
    row = jobs(darkroom).first
    expect(row).to_have_attribute("data-state", "running", timeout=PATIENCE_MS)
    expect(row.locator(".dk-model-facts")).to_contain_text(" of 3.2 GB", timeout=PATIENCE_MS)
    darkroom.page.locator("#model_page").get_by_role("button", name="Close").click()
    row.get_by_role("button", name="Cancel: Verify big.safetensors").click()
    expect(row).to_have_attribute("data-state", "cancelled", timeout=5_000)
