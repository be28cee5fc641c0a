"""Scripts and extras on the page."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.darkroom import PATIENCE_MS, Darkroom
from tests.support.pictures import png


def choose_script(darkroom: Darkroom, title: str, tab: str = "txt2img") -> None:
    darkroom.page.locator(f"#{tab}_script_list input").click()
    darkroom.page.get_by_role("option", name=title, exact=True).click()


def test_a_plot_shows_its_grid_before_its_pictures(darkroom: Darkroom) -> None:
    page = darkroom.page
    darkroom.fill({"prompt": "a red apple", "steps": "1", "width": "64", "height": "64", "seed": "7"})
    choose_script(darkroom, "X/Y/Z plot")
    expect(page.locator("#txt2img_script_prompt_matrix")).to_be_hidden()
    page.locator("#txt2img_script_x_y_z_plot_X_values textarea, #txt2img_script_x_y_z_plot_X_values input").first.fill("7, 9")
    darkroom.generate()
    darkroom.finish(2)
    grid = page.locator("#txt2img_gallery .dk-tile img.dk-grid")
    expect(grid).to_have_count(1, timeout=PATIENCE_MS)
    grid.click()
    expect(page.locator("#html_info_txt2img")).to_contain_text("X Type: Seed")
    assert Image.open(io.BytesIO(darkroom.picture_bytes())).size[0] == 128


def test_wrong_values_are_told_in_a_sentence(darkroom: Darkroom) -> None:
    choose_script(darkroom, "X/Y/Z plot")
    darkroom.generate()
    expect(darkroom.notes()).to_contain_text("The axis Seed needs at least one value.")


def test_known_values_of_an_axis_are_filled_in(darkroom: Darkroom) -> None:
    page = darkroom.page
    choose_script(darkroom, "X/Y/Z plot")
    page.locator("#txt2img_script_x_y_z_plot_X_type input").click()
    page.get_by_role("option", name="Sampler", exact=True).click()
    page.get_by_role("button", name="Fill in all X values").click()
    field = page.locator("#txt2img_script_x_y_z_plot_X_values textarea, #txt2img_script_x_y_z_plot_X_values input").first
    expect(field).to_have_value(re.compile("Euler a, Euler, "))


def argument(darkroom: Darkroom, name: str) -> Locator:
    """The box of an argument of the plot."""
    return darkroom.page.locator(f"#txt2img_script_x_y_z_plot_{name}").locator("textarea, input").first


def test_the_script_and_its_fields_come_back_after_a_reload(darkroom: Darkroom) -> None:
    page = darkroom.page
    choose_script(darkroom, "X/Y/Z plot")
    argument(darkroom, "X_type").click()
    page.get_by_role("option", name="Steps", exact=True).click()
    argument(darkroom, "X_values").fill("1-3")
    page.get_by_label("Include Sub Grids").check()
    page.locator("#txt2img_script_x_y_z_plot_margin_px input[type=number]").fill("12")
    page.locator("#txt2img_script_x_y_z_plot_margin_px input[type=number]").blur()
    darkroom.show("img2img")
    choose_script(darkroom, "Loopback", "img2img")
    page.locator("#img2img_script_loopback_loops input[type=number]").fill("3")
    page.locator("#img2img_script_loopback_loops input[type=number]").blur()
    darkroom.reload()
    expect(page.locator("#txt2img_script_list input")).to_have_value("X/Y/Z plot")
    expect(argument(darkroom, "X_values")).to_be_visible()
    assert [argument(darkroom, name).input_value() for name in ("X_type", "X_values", "Y_type")] == ["Steps", "1-3", "Nothing"]
    expect(page.get_by_label("Include Sub Grids")).to_be_checked()
    expect(page.locator("#txt2img_script_x_y_z_plot_margin_px input[type=number]")).to_have_value("12")
    darkroom.show("img2img")
    expect(page.locator("#img2img_script_loopback_loops input[type=number]")).to_have_value("3")


def test_a_grids_settings_choose_its_script_and_a_pictures_choose_none(darkroom: Darkroom) -> None:
    page = darkroom.page
    darkroom.fill({"prompt": "a red apple", "steps": "1", "width": "64", "height": "64", "seed": "7"})
    choose_script(darkroom, "X/Y/Z plot")
    argument(darkroom, "X_values").fill("7, 9")
    darkroom.generate()
    darkroom.finish(2)
    darkroom.pictures().first.click()
    page.locator("#txt2img_send_to_txt2img").click()
    expect(page.locator("#txt2img_script_list input")).to_have_value("None")
    expect(argument(darkroom, "X_values")).to_be_hidden()
    argument_values = argument(darkroom, "X_values")
    page.locator("#txt2img_gallery .dk-tile img.dk-grid").click()
    page.locator("#txt2img_send_to_txt2img").click()
    expect(page.locator("#txt2img_script_list input")).to_have_value("X/Y/Z plot")
    expect(argument_values).to_be_visible()
    expect(argument_values).to_have_value("7, 9")
    assert argument(darkroom, "X_type").input_value() == "Seed"


@pytest.mark.parametrize("several", [False, True])
def test_extras_enlarge_one_picture_or_several(darkroom: Darkroom, several: bool) -> None:
    page = darkroom.page
    darkroom.show("extras")
    page.locator("#extras_mode_batch" if several else "#extras_mode_single").click()
    files = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": png((24, 16))} for n in range(2 if several else 1)]
    page.locator("#extras_files" if several else "#extras_file").set_input_files(files)
    page.locator("#extras_upscaling_resize").fill("2")
    page.locator("#extras_generate").click()
    expect(page.locator("#extras_gallery figure")).to_have_count(len(files), timeout=PATIENCE_MS)
    expect(page.locator("#extras_gallery figcaption").first).to_contain_text("48 × 32")
    expect(page.locator("#extras_told")).to_have_text(f"{len(files)} of {len(files)} done.")
    expect(page.locator("#extras_gallery figure").first).to_contain_text(re.compile(r"Saved as extras-images/(0|\d{5})(-\d+)?\.png"))


def test_a_folder_is_enlarged_into_a_folder_of_ones_choice(darkroom: Darkroom, server_data: Path, tmp_path: Path) -> None:
    page = darkroom.page
    for name in ("hill", "lake"):
        (tmp_path / f"{name}.png").write_bytes(png((24, 16)))
    darkroom.show("extras")
    expect(page.locator("#extras_output_dir")).to_be_hidden()
    page.locator("#extras_mode_folder").click()
    page.locator("#extras_folder").set_input_files(str(tmp_path))
    page.locator("#extras_output_dir").fill("walks/large")
    page.locator("#extras_upscaling_resize").fill("2")
    page.locator("#extras_generate").click()
    expect(page.locator("#extras_told")).to_have_text("2 of 2 done.", timeout=PATIENCE_MS)
    for name in ("hill", "lake"):
        with Image.open(server_data / "outputs" / "walks" / "large" / f"{name}.png") as picture:
            assert picture.size == (48, 32)
    expect(page.locator("#extras_gallery")).to_contain_text("Saved as walks/large/hill.png")


def test_a_file_that_is_no_picture_is_told_and_the_others_follow(darkroom: Darkroom) -> None:
    page = darkroom.page
    darkroom.show("extras")
    page.locator("#extras_mode_batch").click()
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"Dear reader"}
    page.locator("#extras_files").set_input_files([broken, {"name": "a.png", "mimeType": "image/png", "buffer": png((16, 16))}])
    page.locator("#extras_generate").click()
    expect(page.locator("#extras_told")).to_contain_text("1 of 2 done. broken.png:", timeout=PATIENCE_MS)
    expect(page.locator("#extras_gallery figure")).to_have_count(1)
