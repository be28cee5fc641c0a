"""A prompt becomes a picture: what is seen on the way, and after a reload."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from app.models import EMBEDDED
from tests.browser.darkroom import PATIENCE_MS, Darkroom

HAS_PREVIEW = """() => {
  const image = document.querySelector('dk-results[tab=txt2img] .dk-stage img');
  return image.src.includes('/preview') && image.complete && image.naturalWidth > 0;
}"""


def test_page_starts_with_values_that_work(darkroom: Darkroom) -> None:
    names = ("prompt", "steps", "cfg_scale", "width", "height", "seed", "sampling", "scheduler")
    assert {name: darkroom.value(name) for name in names} == {
        "prompt": "a red apple",
        "steps": "20",
        "cfg_scale": "5",
        "width": "128",
        "height": "128",
        "seed": "-1",
        "sampling": "DPM++ 2M",
        "scheduler": "Automatic",
    }
    assert darkroom.page.locator("#setting_sd_model_checkpoint input").input_value().startswith(f"{EMBEDDED}.safetensors")
    expect(darkroom.page.locator("#model_hint")).to_contain_text("models/Stable-diffusion")
    expect(darkroom.page.locator("#txt2img_token_counter")).to_contain_text("3/75")
    expect(darkroom.page.locator("#txt2img_interrupt")).to_be_hidden()


def test_prompt_becomes_a_picture_with_progress_and_preview(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "40", "seed": "3"})
    darkroom.generate()
    expect(darkroom.progress()).to_be_visible(timeout=5000)
    expect(darkroom.page.locator("#txt2img_interrupt")).to_be_visible()
    expect(darkroom.page.locator("#txt2img_skip")).to_be_visible()
    expect(darkroom.page.locator("#txt2img_generate")).to_be_enabled()
    expect(darkroom.progress()).to_contain_text(re.compile(r"\d+ % · step \d+/40"), timeout=PATIENCE_MS)
    darkroom.page.wait_for_function(HAS_PREVIEW, timeout=PATIENCE_MS)
    darkroom.finish(1)
    expect(darkroom.page.locator("#html_log_txt2img")).to_contain_text(re.compile(r"Saved as txt2img-images/.*-3\.png"))
    expect(darkroom.page.locator("#txt2img_interrupt")).to_be_hidden()
    assert "a red apple" in darkroom.infotext() and "Seed: 3," in darkroom.infotext()
    red, green, blue = middle_of(darkroom.picture_bytes())
    assert red > 150 and red > 2 * green and red > 2 * blue, "the middle of a red apple is red"


def middle_of(data: bytes) -> tuple[float, float, float]:
    """Mean colour of the picture's inner quarter, where an apple is flesh and not background."""
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (128, 128)
        inner = np.asarray(picture.convert("RGB"))[48:96, 40:88]
    red, green, blue = inner.reshape(-1, 3).mean(axis=0)
    return red, green, blue


def test_what_is_typed_before_the_start_values_come_stays(tab: Page, server_url: str) -> None:
    held: list[Route] = []

    tab.route("**/gradio_api/run/**", lambda route: held.append(route))
    tab.goto(server_url)
    box = tab.locator("#txt2img_prompt textarea")
    box.fill("rocket in space", timeout=PATIENCE_MS)
    tab.wait_for_timeout(500)
    assert held, "the start values did not come through the address that this test holds back"
    tab.unroute_all()  # lets those go on that were held
    Darkroom(tab, server_url).ready()
    tab.wait_for_timeout(1500)
    expect(box).to_have_value("rocket in space")
    expect(tab.locator("#txt2img_steps input[type=number]")).to_have_value("20")


def test_reload_in_mid_run_attaches_to_the_job(darkroom: Darkroom) -> None:
    darkroom.fill({"prompt": "a green tree", "steps": "60", "batch_count": "2"})
    darkroom.generate()
    expect(darkroom.progress()).to_contain_text(re.compile(r"step [3-9]"), timeout=PATIENCE_MS)
    darkroom.reload()
    expect(darkroom.progress()).to_contain_text(re.compile(r"step \d+/60"), timeout=PATIENCE_MS)
    expect(darkroom.page.locator("#txt2img_interrupt")).to_be_visible()
    assert darkroom.value("prompt") == "a green tree", "what was typed is still there"
    assert darkroom.value("steps") == "60"
    darkroom.finish(2)
    darkroom.reload()
    expect(darkroom.pictures()).to_have_count(2, timeout=PATIENCE_MS)
    assert "a green tree" in darkroom.infotext(), "the last job's pictures are shown again"


def test_generate_again_queues_another_job_which_can_be_cancelled(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "150", "batch_count": "4"})
    darkroom.generate()
    expect(darkroom.progress()).to_contain_text("step", timeout=PATIENCE_MS)
    darkroom.fill({"prompt": "a blue car"})
    darkroom.generate()
    others = darkroom.results().get_by_role("list", name="Other jobs").get_by_role("listitem")
    expect(others).to_have_count(1, timeout=PATIENCE_MS)
    expect(others).to_contain_text("a blue car")
    others.get_by_role("button", name="Cancel: a blue car").click()
    expect(others).to_have_count(0, timeout=PATIENCE_MS)
    expect(darkroom.progress()).to_be_visible()
    darkroom.page.locator("#txt2img_interrupt").click()
    expect(darkroom.progress()).to_be_hidden(timeout=PATIENCE_MS)
    states = darkroom.page.evaluate("() => fetch('api/v1/jobs').then((answer) => answer.json())")
    assert [(job["params"]["prompt"], job["state"]) for job in states] == [("a blue car", "cancelled"), ("a red apple", "done")]


def test_interrupt_gives_the_picture_so_far(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "150", "seed": "5"})
    darkroom.generate()
    expect(darkroom.progress()).to_contain_text(re.compile(r"step [1-9]"), timeout=PATIENCE_MS)
    darkroom.page.keyboard.press("Escape")
    darkroom.finish(1)
    jobs = darkroom.page.evaluate("() => fetch('api/v1/jobs').then((answer) => answer.json())")
    assert [job["interrupted"] for job in jobs] == [True]
    expect(darkroom.page.locator("#html_log_txt2img")).to_contain_text("Interrupted: made of the steps that were done. Not saved")


def test_reuse_takes_the_seed_of_the_shown_picture(darkroom: Darkroom) -> None:
    darkroom.fill({"steps": "2"})
    darkroom.generate()
    darkroom.finish(1)
    darkroom.page.locator("#txt2img_reuse_seed").click()
    expect(darkroom.field("seed")).not_to_have_value("-1")
    assert f"Seed: {darkroom.value('seed')}," in darkroom.infotext()
    darkroom.page.locator("#txt2img_random_seed").click()
    expect(darkroom.field("seed")).to_have_value("-1")


def test_swap_exchanges_width_and_height(darkroom: Darkroom) -> None:
    darkroom.fill({"width": "136", "height": "120"})
    darkroom.page.locator("#txt2img_res_switch_btn").click()
    expect(darkroom.field("width")).to_have_value("120")
    expect(darkroom.field("height")).to_have_value("136")


def test_wrong_values_become_a_note_with_the_sentence(darkroom: Darkroom) -> None:
    darkroom.fill({"seed": "apple"})
    darkroom.generate()
    expect(darkroom.notes()).to_contain_text("Seed should be a whole number")
    darkroom.fill({"seed": str(2**64)})
    darkroom.generate()
    expect(darkroom.notes().filter(has_text="seed: input should be less than")).to_be_visible()
    expect(darkroom.progress()).to_be_hidden()


def test_a_size_below_the_limit_is_lifted_where_it_is_typed(darkroom: Darkroom) -> None:
    darkroom.fill({"width": "7"})
    expect(darkroom.field("width")).to_have_value("64")


def test_progress_and_pictures_come_without_an_event_stream(tab: Page, server_url: str) -> None:
    """A proxy that swallows the stream: the page asks instead."""
    tab.route("**/api/v1/events", lambda route: route.abort())
    darkroom = Darkroom(tab, server_url)
    darkroom.open()
    darkroom.fill({"steps": "40", "batch_count": "2"})
    darkroom.generate()
    expect(darkroom.progress()).to_contain_text(re.compile(r"step \d+/40"), timeout=PATIENCE_MS)
    darkroom.finish(2)


def test_a_megabyte_of_prompt_is_refused_with_a_sentence(darkroom: Darkroom) -> None:
    darkroom.field("prompt").fill("apple " * 170_000)
    darkroom.generate()
    expect(darkroom.notes()).to_contain_text("prompt: string should have at most 100000 characters", timeout=PATIENCE_MS)
    darkroom.page.locator("#txt2img_clear_prompt").click()
    expect(darkroom.field("prompt")).to_have_value("")


def test_styles_are_merged_into_the_prompt(darkroom: Darkroom, server_data: Path) -> None:
    (server_data / "styles.csv").write_text('name,prompt,negative_prompt\nshiny,"{prompt}, very shiny",dull\n')
    darkroom.page.locator("#refresh_sd_model_checkpoint").click()
    styles = darkroom.page.locator("#txt2img_styles input")
    expect(styles).to_be_visible()
    styles.click()
    darkroom.page.get_by_role("option", name="shiny").click()
    darkroom.fill({"steps": "1"})
    darkroom.generate()
    darkroom.finish(1)
    assert darkroom.infotext().startswith("a red apple, very shiny\nNegative prompt: dull\n")
    assert darkroom.value("prompt") == "a red apple"
    darkroom.page.locator("#txt2img_style_apply").click()
    expect(darkroom.field("prompt")).to_have_value("a red apple, very shiny")


def test_another_browser_sees_none_of_it(darkroom: Darkroom, browser: Browser, server_url: str) -> None:
    darkroom.fill({"steps": "1", "prompt": "a secret house"})
    darkroom.generate()
    darkroom.finish(1)
    other = browser.new_context()
    stranger = Darkroom(other.new_page(), server_url)
    stranger.open()
    stranger.page.wait_for_timeout(1500)
    expect(stranger.pictures()).to_have_count(0)
    assert stranger.value("prompt") == "a red apple"
    other.close()
