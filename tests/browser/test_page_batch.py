"""img2img's batch: a folder of pictures, one job each."""

from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import expect

from app.ui.parts.batch import MOST_PICTURES
from tests.browser.canvas import Canvas, a_picture, pixels
from tests.browser.darkroom import PATIENCE_MS, Darkroom

SIZE = (64, 64)
INFOTEXT = "a small boat\nSteps: 9, Sampler: Euler, Schedule type: Automatic, CFG scale: 3.5, Seed: 77, Size: 64x64, Version: x"


def tells(path: Path) -> None:
    """Gives a picture the settings of `INFOTEXT`."""
    with Image.open(path) as picture:
        picture.load()
    texts = PngInfo()
    texts.add_text("parameters", INFOTEXT)
    picture.save(path, pnginfo=texts)


def test_a_folder_of_pictures_with_masks_beside_them(darkroom: Darkroom, tmp_path: Path) -> None:
    folder, masks = tmp_path / "pictures", tmp_path / "masks"
    folder.mkdir()
    masks.mkdir()
    starts = {name: a_picture(folder / name, SIZE, seed) for seed, name in enumerate(("a.png", "b.png"))}
    tells(folder / "b.png")
    (folder / "notes.txt").write_text("Dear reader")
    for number, name in enumerate(starts):
        mask = np.zeros(SIZE[::-1], np.uint8)
        mask[:, number * 32 : number * 32 + 24] = 255
        Image.fromarray(mask).save(masks / name)
    canvas = Canvas(darkroom)
    canvas.mode("batch")
    darkroom.page.locator("#img2img_batch_pictures_folder").set_input_files(folder)
    expect(darkroom.page.locator("#img2img_batch")).to_contain_text("2 pictures; 1 other file left out")
    expect(darkroom.page.locator("#img2img_mask_blur")).to_be_hidden()
    darkroom.page.locator("#img2img_batch_masks_folder").set_input_files(masks)
    expect(darkroom.page.locator("#img2img_mask_blur")).to_be_visible()
    for name in ("prompt", "seed"):
        darkroom.page.locator(f"#img2img_batch_take_{name}").check()
    darkroom.fill({"prompt": "at sea", "steps": "1", "seed": "5", "denoising_strength": "1", "width": "64", "height": "64"}, "img2img")
    darkroom.generate("img2img")
    expect(darkroom.notes()).to_contain_text("2 pictures are in the queue.", timeout=PATIENCE_MS)
    darkroom.finish(2, "img2img")
    jobs = sorted(darkroom.page.request.get(f"{darkroom.url}api/v1/jobs?limit=2").json(), key=lambda job: job["created"])
    told = [(job["params"]["prompt"], job["params"]["seed"], job["params"]["steps"]) for job in jobs]
    assert told == [("at sea", 5, 1), ("a small boat at sea", 77, 1)]
    for number, (job, start) in enumerate(zip(jobs, starts.values(), strict=True)):
        made = pixels(darkroom.page.request.get(darkroom.url + job["pictures"][0]["url"].lstrip("/")).body())
        far = slice(40, 64) if number == 0 else slice(0, 16)  # beyond the reach of the mask's blur
        assert np.array_equal(made[:, far], start[:, far])
        assert not np.array_equal(made[:, number * 32 + 8 : number * 32 + 16], start[:, number * 32 + 8 : number * 32 + 16])


def test_what_is_missing_is_said_and_nothing_starts(darkroom: Darkroom, tmp_path: Path) -> None:
    before = darkroom.last_job()
    canvas = Canvas(darkroom)
    canvas.mode("batch")
    darkroom.generate("img2img")
    expect(darkroom.notes()).to_contain_text("The batch has no pictures")
    for name in ("a.png", "b.png", "c.png"):
        a_picture(tmp_path / name, SIZE)
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    darkroom.page.locator("#img2img_batch_pictures_files").set_input_files(files)
    darkroom.page.locator("#img2img_batch_masks_files").set_input_files(files[:2])
    darkroom.generate("img2img")
    expect(darkroom.notes().last).to_contain_text("There is no mask for c.png")
    darkroom.page.get_by_role("button", name="Masks, if any: named as the pictures, or one for all: None").click()
    (tmp_path / "d.png").write_text("Dear reader")
    darkroom.page.locator("#img2img_batch_pictures_files").set_input_files(tmp_path / "d.png")
    darkroom.generate("img2img")
    expect(darkroom.notes().last).to_contain_text("d.png: ")
    assert darkroom.last_job() == before


def test_too_many_pictures_are_told_before_any_is_sent(darkroom: Darkroom, tmp_path: Path) -> None:
    a_picture(tmp_path / "0.png", SIZE)
    for number in range(1, MOST_PICTURES + 1):
        (tmp_path / f"{number}.png").write_bytes((tmp_path / "0.png").read_bytes())
    sent: list[str] = []
    darkroom.page.on("request", lambda request: sent.append(request.url) if "/api/v1/inputs" in request.url else None)
    Canvas(darkroom).mode("batch")
    darkroom.page.locator("#img2img_batch_pictures_folder").set_input_files(tmp_path)
    darkroom.generate("img2img")
    expect(darkroom.notes()).to_contain_text(f"A batch has at most {MOST_PICTURES} pictures; this one has {MOST_PICTURES + 1}.")
    assert sent == []


def test_texts_of_pictures_are_sent_where_something_is_taken_from_them(darkroom: Darkroom, tmp_path: Path) -> None:
    a_picture(tmp_path / "a.png", SIZE)
    tells(tmp_path / "a.png")
    letters: list[str] = []
    darkroom.page.on("request", lambda request: letters.append(request.post_data or "") if "gradio_api" in request.url else None)
    Canvas(darkroom).mode("batch")
    darkroom.page.locator("#img2img_batch_pictures_files").set_input_files(tmp_path / "a.png")
    darkroom.fill({"steps": "1", "width": "64", "height": "64"}, "img2img")
    for number, taken in enumerate((False, True)):
        letters.clear()
        darkroom.page.locator("#img2img_batch_take_seed").set_checked(taken)
        darkroom.generate("img2img")
        darkroom.finish(number + 1, "img2img")
        assert any("a small boat" in letter for letter in letters) == taken


def test_the_same_files_can_be_chosen_again(darkroom: Darkroom, tmp_path: Path) -> None:
    a_picture(tmp_path / "a.png", SIZE)
    Canvas(darkroom).mode("batch")
    told = darkroom.page.locator("#img2img_batch_pictures_files").locator("xpath=..").locator(".dk-batch-count")
    for _ in range(2):
        darkroom.page.locator("#img2img_batch_pictures_files").set_input_files(tmp_path / "a.png")
        expect(told).to_have_text("1 picture")
        assert darkroom.page.locator("#img2img_batch_pictures_files").input_value() == ""
        darkroom.page.get_by_role("button", name="Pictures: None", exact=True).click()
        expect(told).to_have_text("none yet")
