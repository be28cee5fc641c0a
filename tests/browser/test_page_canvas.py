"""img2img's canvas: painting, taking back, looking, and what is sent of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from tests.browser.canvas import PAINTED, Canvas, Fingers, a_picture, pixels
from tests.browser.darkroom import PATIENCE_MS, Darkroom

BLUR = 4
REACH = int(2.5 * BLUR + 0.5)
"""How far a mask's blur reaches, in pixels."""

KEEPER_WAITS_MS = 600
KEPT = """() => {
  const { keepers, layers } = document.querySelector("dk-input-picture");
  return keepers.mask.kept === layers.mask.version;
}"""
"""Whether the browser's database has the mask as it is now."""


@pytest.fixture
def canvas(darkroom: Darkroom, tmp_path: Path) -> Canvas:
    """A canvas with a picture of 192x128 on it."""
    opened = Canvas(darkroom)
    a_picture(tmp_path / "start.png")
    opened.start_with(tmp_path / "start.png")
    return opened


def test_inpainting_changes_what_is_masked_and_nothing_else(canvas: Canvas, tmp_path: Path) -> None:
    start = pixels((tmp_path / "start.png").read_bytes())
    canvas.mode("inpaint")
    canvas.brush()
    canvas.stroke((0.3, 0.3), (0.6, 0.5))
    canvas.darkroom.fill({"steps": "4", "denoising_strength": "1", "seed": "7"}, "img2img")
    canvas.darkroom.generate("img2img")
    canvas.darkroom.finish(1, "img2img")
    made = pixels(canvas.darkroom.picture_bytes("img2img"))
    assert made.shape == start.shape
    _, mask = canvas.sent()
    assert mask is not None
    outside = far_from(mask > 0, REACH)
    assert 0.3 < outside.mean() < 0.95
    assert np.array_equal(made[outside], start[outside])
    assert (made != start).any(axis=2)[mask == 255].mean() > 0.95
    assert "Mask blur: 4" in canvas.darkroom.infotext("img2img")


def far_from(mask: np.ndarray, reach: int) -> np.ndarray:
    """Where nothing of the mask is within `reach` pixels."""
    near = mask.copy()
    for axis in (0, 1):
        before = near.copy()
        for step in range(1, reach + 1):
            near |= shifted(before, step, axis) | shifted(before, -step, axis)
    return ~near


def shifted(mask: np.ndarray, by: int, axis: int) -> np.ndarray:
    moved = np.roll(mask, by, axis)
    edge = [slice(None), slice(None)]
    edge[axis] = slice(0, by) if by > 0 else slice(by, None)
    moved[tuple(edge)] = False
    return moved


def test_nothing_painted_is_said_and_starts_no_job(canvas: Canvas) -> None:
    before = canvas.darkroom.last_job()
    canvas.mode("inpaint")
    canvas.darkroom.generate("img2img")
    expect(canvas.darkroom.notes()).to_contain_text("Nothing is marked yet")
    assert canvas.darkroom.last_job() == before


def test_undo_redo_eraser_invert_and_clear(canvas: Canvas) -> None:
    canvas.mode("inpaint")
    canvas.brush()
    canvas.stroke((0.2, 0.2), (0.8, 0.2))
    one = canvas.painted()
    canvas.stroke((0.2, 0.7), (0.8, 0.7))
    two = canvas.painted()
    assert 0 < one < two
    canvas.page.keyboard.press("Control+z")
    assert canvas.painted() == one
    canvas.page.keyboard.press("Control+Shift+z")
    assert canvas.painted() == two
    canvas.page.locator("#img2img_undo").click()
    canvas.page.locator("#img2img_undo").click()
    assert canvas.painted() == 0
    expect(canvas.page.locator("#img2img_undo")).to_be_disabled()
    canvas.page.locator("#img2img_redo").click()
    canvas.page.locator("#img2img_canvas").hover()
    canvas.page.keyboard.press("e")
    canvas.stroke((0.2, 0.2), (0.5, 0.2))
    assert 0 < canvas.painted() < one
    canvas.page.keyboard.press("i")
    inverted = canvas.painted()
    assert inverted > 1 - one
    canvas.page.keyboard.press("Delete")
    assert canvas.painted() == 0
    canvas.page.keyboard.press("Control+z")
    assert canvas.painted() == inverted
    canvas.page.keyboard.press("b")
    canvas.stroke((0.9, 0.9), button="right")
    assert canvas.painted() < inverted, "the right button erases"


def test_keys_of_the_canvas_leave_prompts_alone(canvas: Canvas) -> None:
    canvas.mode("inpaint")
    canvas.stroke((0.2, 0.2), (0.8, 0.2))
    painted = canvas.painted()
    prompt = canvas.darkroom.field("prompt", "img2img")
    prompt.fill("")
    prompt.press_sequentially("bei [m]")
    assert canvas.darkroom.value("prompt", "img2img") == "bei [m]"
    prompt.press("Control+z")
    assert canvas.darkroom.value("prompt", "img2img") != "bei [m]"
    assert canvas.painted() == painted


def test_hardness_and_size(canvas: Canvas) -> None:
    canvas.mode("inpaint")
    canvas.brush(hardness=100)
    canvas.stroke((0.5, 0.5))
    hard = canvas.painted()
    canvas.page.keyboard.press("Control+z")
    canvas.brush(hardness=0)
    canvas.stroke((0.5, 0.5))
    assert 0 < canvas.painted() < 0.7 * hard
    canvas.page.keyboard.press("Control+z")
    canvas.brush(size=80)
    canvas.stroke((0.5, 0.5))
    assert canvas.painted() > 2 * hard
    canvas.page.keyboard.press("[")
    assert canvas.page.locator("#img2img_size").input_value() == "75"


def test_zoom_and_pan_paint_where_they_show(canvas: Canvas) -> None:
    canvas.mode("inpaint")
    canvas.brush(size=30)
    stage = canvas.page.locator("#img2img_canvas")
    stage.hover(position={"x": 5, "y": 5})
    canvas.page.keyboard.down("Control")
    canvas.page.mouse.wheel(0, -400)
    canvas.page.keyboard.up("Control")
    zoomed = canvas.page.locator(".dk-zoom").inner_text()
    canvas.stroke((0.5, 0.5))
    _, mask = canvas.sent()
    assert mask is not None
    rows, columns = np.nonzero(mask)
    assert columns.mean() < 0.4 * 192 and rows.mean() < 0.4 * 128, "the middle of the canvas shows the picture's upper left part"
    canvas.page.keyboard.press("0")
    expect(canvas.page.locator(".dk-zoom")).not_to_have_text(zoomed)
    canvas.page.keyboard.press("f")
    box = stage.bounding_box()
    assert box is not None and box["width"] > 1300 and box["height"] > 600
    canvas.page.keyboard.press("Escape")
    expect(canvas.page.locator("#img2img_prompt")).to_be_in_viewport()


def test_mask_is_kept_when_the_picture_changes_size(canvas: Canvas, tmp_path: Path) -> None:
    canvas.mode("inpaint")
    canvas.brush()
    canvas.stroke((0.25, 0.25), (0.5, 0.25))
    painted = canvas.painted()
    a_picture(tmp_path / "larger.png", (480, 320), seed=1)
    canvas.start_with(tmp_path / "larger.png")
    assert canvas.painted() == pytest.approx(painted, rel=0.05)
    images, mask = canvas.sent()
    assert mask is not None and mask.shape == (320, 480) and images[0].shape == (320, 480, 3)
    rows, columns = np.nonzero(mask > 128)
    assert rows.mean() == pytest.approx(0.25 * 320, abs=12)
    assert columns.min() > 0.1 * 480 and columns.max() < 0.65 * 480


def test_sketch_sends_the_picture_as_it_was_painted(canvas: Canvas, tmp_path: Path) -> None:
    start = pixels((tmp_path / "start.png").read_bytes())
    canvas.mode("sketch")
    canvas.brush()
    canvas.page.locator("#img2img_colour").fill("#00ff40")
    canvas.stroke((0.3, 0.5), (0.6, 0.5))
    [image], mask = canvas.sent()
    assert mask is None
    painted = (image == (0, 255, 64)).all(axis=2)
    assert painted[64, 60:110].all()
    bare = far_from(painted, 2)
    assert bare.mean() > 0.5 and np.array_equal(image[bare], start[bare])


def test_inpaint_sketch_masks_what_is_painted(canvas: Canvas, tmp_path: Path) -> None:
    canvas.mode("inpaint_sketch")
    canvas.brush(hardness=30)
    canvas.stroke((0.3, 0.5), (0.6, 0.5))
    start = pixels((tmp_path / "start.png").read_bytes())
    [image], mask = canvas.sent()
    assert mask is not None and set(np.unique(mask)) == {0, 255}, "also where there is a trace of paint only"
    assert 0.02 < (mask > 0).mean() < 0.5
    assert np.array_equal(image[mask == 0], start[mask == 0])
    assert (image != start).any(axis=2)[mask > 0].mean() > 0.8


def test_inpaint_upload_takes_a_mask_file(canvas: Canvas, tmp_path: Path) -> None:
    mask = np.zeros((128, 192), np.uint8)
    mask[20:60, 30:90] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    canvas.mode("inpaint_upload")
    canvas.page.locator("#img2img_mask_file").set_input_files(tmp_path / "mask.png")
    expect(canvas.darkroom.notes()).to_contain_text("The mask is in place")
    _, sent = canvas.sent()
    assert sent is not None and np.array_equal(sent, mask)
    (tmp_path / "letter.png").write_text("Dear reader")
    canvas.page.locator("#img2img_mask_file").set_input_files(tmp_path / "letter.png")
    expect(canvas.darkroom.notes().last).to_contain_text("The file is no picture that can be read")
    assert canvas.painted() > 0, "the mask that was there stays"


@pytest.mark.parametrize("fill", ["mirror", "edges"])
def test_outpainting_continues_the_picture_in_new_room(canvas: Canvas, tmp_path: Path, fill: str) -> None:
    start = pixels((tmp_path / "start.png").read_bytes())
    canvas.mode("outpaint")
    for side, room in {"left": 40, "right": 0, "up": 16, "down": 240, "overlap": 4}.items():
        field = canvas.page.locator(f"#img2img_outpaint_{side}")
        field.fill(str(room))
        field.blur()
    canvas.page.locator("#img2img_outpaint_fill").select_option(fill)
    expect(canvas.darkroom.field("width", "img2img")).to_have_value("232")
    expect(canvas.darkroom.field("height", "img2img")).to_have_value("384")
    [image], mask = canvas.sent()
    assert image.shape == (384, 232, 3) and mask is not None and mask.shape == (384, 232)
    assert np.array_equal(image[16:144, 40:], start)
    around = start[:, ::-1][:, -40:] if fill == "mirror" else np.repeat(start[:, :1], 40, axis=1)
    assert np.array_equal(image[16:144, :40], around)
    assert image[144:].std() > 30 and image[:, :40].any(axis=2).all(), "all of the room is filled"
    wanted = np.full((384, 232), 255, np.uint8)
    wanted[20:140, 44:] = 0
    assert np.array_equal(mask, wanted)
    canvas.mode("img2img")
    expect(canvas.darkroom.field("width", "img2img")).to_have_value("192")
    [image], mask = canvas.sent()
    assert np.array_equal(image, start) and mask is None


def test_size_follows_the_picture_unless_it_is_locked(canvas: Canvas, tmp_path: Path) -> None:
    width, height = (canvas.darkroom.field(name, "img2img") for name in ("width", "height"))
    expect(width).to_have_value("192")
    expect(height).to_have_value("128")
    canvas.page.locator("#img2img_size_lock").click()
    a_picture(tmp_path / "other.png", (64, 256))
    canvas.start_with(tmp_path / "other.png")
    expect(canvas.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("64 × 256")
    expect(width).to_have_value("192")
    canvas.page.locator("#img2img_size_lock").click()
    expect(width).to_have_value("64")
    expect(height).to_have_value("256")


def test_a_size_that_the_checkpoint_draws_badly_is_told(canvas: Canvas, tmp_path: Path) -> None:
    words = canvas.page.locator("dk-input-picture .dk-drop-note")
    expect(words).to_contain_text("192 × 128.")
    expect(words).not_to_contain_text("draws best")
    a_picture(tmp_path / "large.png", (480, 320))
    canvas.start_with(tmp_path / "large.png")
    expect(words).to_contain_text("480 × 320.")
    expect(words).to_contain_text("The checkpoint draws best near 128 × 128")


def test_the_picture_chosen_last_is_shown_whichever_upload_ends_first(canvas: Canvas, tmp_path: Path) -> None:
    canvas.page.locator("#img2img_remove").click()
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    canvas.page.route("**/api/v1/inputs**", hold_the_first)
    a_picture(tmp_path / "slow.png", (64, 256), 1)
    a_picture(tmp_path / "quick.png", (96, 64), 2)
    box = canvas.page.locator("#img2img_file")
    with canvas.page.expect_request("**/api/v1/inputs**"):
        box.set_input_files(tmp_path / "slow.png")
    box.set_input_files(tmp_path / "quick.png")
    words = canvas.page.locator("dk-input-picture .dk-drop-note")
    expect(words).to_contain_text("96 × 64", timeout=PATIENCE_MS)
    with canvas.page.expect_response("**/api/v1/inputs**"):
        held[0].continue_()
    canvas.page.wait_for_timeout(300)  # as long as a picture of that size takes to be decoded
    expect(words).to_contain_text("96 × 64")


def test_outpaint_keeps_what_is_corrected_and_marks_all_under_a_large_overlap(canvas: Canvas) -> None:
    canvas.mode("outpaint")
    canvas.page.wait_for_function(f"({PAINTED})('room') > 0")
    marked = canvas.painted("room")
    canvas.brush()
    canvas.stroke((0.7, 0.3), (0.9, 0.3))
    corrected = canvas.painted("room")
    assert corrected > marked
    canvas.page.locator("#img2img_outpaint_fill").select_option("edges")
    canvas.mode("img2img")
    canvas.mode("outpaint")
    expect(canvas.page.locator("#img2img_outpaint_left")).to_be_visible()
    assert canvas.painted("room") == corrected
    canvas.page.locator("#img2img_outpaint_overlap").fill("500")
    canvas.page.locator("#img2img_outpaint_overlap").blur()
    canvas.page.wait_for_function(f"({PAINTED})('room') === 1")


def test_resize_by_a_factor(canvas: Canvas) -> None:
    canvas.page.locator("#img2img_resize_by_tab").click()
    expect(canvas.page.locator("#img2img_width")).to_be_hidden()
    factor = canvas.page.locator("#img2img_scale_by input[type=number]")
    factor.fill("0.5")
    factor.blur()
    expect(canvas.page.locator("#img2img_scale_resolution_preview")).to_have_text("192 × 128 becomes 96 × 64")
    canvas.darkroom.fill({"steps": "1"}, "img2img")
    canvas.darkroom.generate("img2img")
    canvas.darkroom.finish(1, "img2img")
    assert pixels(canvas.darkroom.picture_bytes("img2img")).shape == (64, 96, 3)
    canvas.page.locator("#img2img_resize_to_tab").click()
    expect(canvas.page.locator("#img2img_width")).to_be_visible()


@pytest.mark.parametrize("when", ["it is kept", "at once", "it is being written"])
def test_picture_paint_and_sub_tab_survive_a_reload(canvas: Canvas, when: str) -> None:
    canvas.mode("inpaint")
    if when == "it is being written":  # which takes forever
        canvas.page.evaluate("HTMLCanvasElement.prototype.toBlob = () => {}")
    canvas.stroke((0.3, 0.3), (0.6, 0.5))
    painted = canvas.painted()
    if when == "it is kept":
        canvas.page.wait_for_function(KEPT, timeout=PATIENCE_MS)
    elif when == "it is being written":
        canvas.page.wait_for_timeout(2 * KEEPER_WAITS_MS)
    canvas.darkroom.reload()
    canvas.darkroom.show("img2img")
    expect(canvas.page.locator("dk-input-picture .dk-drop-note")).to_contain_text("192 × 128")
    expect(canvas.page.locator("#img2img_inpaint_tab")).to_have_attribute("aria-selected", "true")
    assert canvas.painted() == painted > 0
    canvas.page.locator("#img2img_remove").click()
    expect(canvas.page.locator("#img2img_canvas")).to_be_hidden()
    expect(canvas.page.get_by_text("Picture to start from", exact=True)).to_be_visible()


@pytest.fixture
def phone(browser: Browser, server_url: str, tmp_path: Path) -> Iterator[Canvas]:
    """The canvas on a phone, ready to be inpainted on."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    darkroom = Darkroom(context.new_page(), server_url)
    darkroom.open()
    opened = Canvas(darkroom)
    a_picture(tmp_path / "start.png")
    opened.start_with(tmp_path / "start.png")
    opened.mode("inpaint")
    opened.page.locator("#img2img_canvas").evaluate("(node) => node.scrollIntoView({ block: 'center' })")
    yield opened
    assert not darkroom.script_errors
    context.close()


def test_one_finger_paints_and_two_zoom(phone: Canvas) -> None:
    fingers = Fingers(phone.page)
    fingers.touch("touchStart", phone.at((0.2, 0.5)))
    for step in range(1, 6):
        fingers.touch("touchMove", phone.at((0.2 + 0.1 * step, 0.5)))
    fingers.touch("touchEnd")
    painted = phone.painted()
    assert painted > 0.05
    scrolled = phone.page.evaluate("window.scrollY")
    zoom = phone.page.locator(".dk-zoom").inner_text()
    fingers.touch("touchStart", phone.at((0.45, 0.2)))
    fingers.touch("touchStart", phone.at((0.45, 0.2)), phone.at((0.55, 0.2)))
    for step in range(1, 6):
        fingers.touch("touchMove", phone.at((0.45 - 0.05 * step, 0.2)), phone.at((0.55 + 0.05 * step, 0.2)))
    fingers.touch("touchEnd")
    expect(phone.page.locator(".dk-zoom")).not_to_have_text(zoom)
    assert phone.painted() == painted, "what the first of two fingers began is taken back"
    assert phone.page.evaluate("window.scrollY") == scrolled


def test_a_sideways_swipe_leaves_the_page_scrolling(phone: Canvas) -> None:
    phone.mode("img2img")
    stage = phone.page.locator("#img2img_canvas")
    expect(stage).to_have_css("touch-action", "pan-y")
    fingers = Fingers(phone.page)
    fingers.touch("touchStart", phone.at((0.2, 0.5)))
    for step in range(1, 6):
        fingers.touch("touchMove", phone.at((0.2 + 0.1 * step, 0.5)))
    fingers.touch("touchEnd")
    expect(stage).to_have_css("touch-action", "pan-y")
    assert phone.page.evaluate("document.querySelector('dk-input-picture').editor.view.fitted")
