"""Poor man's outpainting: the picture on a larger canvas, drawn by inpainting tile by tile."""

from PIL import Image, ImageDraw

from app.schema.errors import InvalidParams
from app.schema.params import MAX_PIXELS, Mode
from app.scripts.arguments import Argument, Given, by_index, several, whole
from app.scripts.outpainting_mk2 import SIDES, check_canvas, growth
from app.scripts.script import Draw, Drawn, Open, Outcome, Picture, Plan, Script, Setting, Show, Steps, Store, Task
from app.scripts.tiles import joined, tiled

FILLS = ("fill", "original", "latent noise", "latent nothing")
BLURS = 2
"""The mask is blurred by so many times the argument, and keeps as far away from the seam."""


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    return (
        whole("pixels", "Pixels to expand", 128, 8, 256, 8, most=4096),
        whole("blur", "Mask blur", 4, 0, 64),
        by_index("fill", "Masked content", FILLS, "fill"),
        several("sides", "Outpainting direction", SIDES, SIDES),
    )


def _plan(setting: Setting, given: Given) -> Plan:
    params, sides = setting.params, given.texts("sides")
    if not sides:
        raise InvalidParams("Outpainting needs at least one direction: left, right, up or down.")
    if params.width % 8 or params.height % 8:
        raise InvalidParams(f"Poor man's outpainting needs a width and height in steps of 8 (given: {params.width}x{params.height}).")
    tile = params.width, params.height
    tiled(tile, tile, given.whole("pixels"))  # says at once what cannot be
    return Plan(_steps(setting, given), 1)


def _mask(size: tuple[int, int], edges: dict[str, int], inset: int) -> Image.Image:
    """White, but for the known part less `inset` at each side that grows."""
    kept = {name: pixels + (inset if pixels else 0) for name, pixels in edges.items()}
    box = (kept["left"], kept["up"], size[0] - kept["right"], size[1] - kept["down"])
    if box[0] > box[2] or box[1] > box[3]:
        raise InvalidParams("The mask blur leaves nothing of the picture to go on from: choose a smaller one, or a larger picture.")
    mask = Image.new("L", size, "white")
    ImageDraw.Draw(mask).rectangle(box, fill="black")
    return mask


def _steps(setting: Setting, given: Given) -> Steps:
    params, blur = setting.params, given.whole("blur")
    start: Image.Image = yield Open(params.init_images[0])
    wanted = {name: given.whole("pixels") if name in given.texts("sides") else 0 for name in SIDES}
    left, right = growth(start.width, wanted["left"], wanted["right"])
    up, down = growth(start.height, wanted["up"], wanted["down"])
    size = start.width + left + right, start.height + up + down
    check_canvas(*size, MAX_PIXELS)
    tiles = tiled(size, (params.width, params.height), given.whole("pixels"))
    canvas = Image.new("RGB", size)
    canvas.paste(start, (left, up))
    edges = {"left": left, "right": right, "up": up, "down": down}
    mask, latent_mask = _mask(canvas.size, edges, blur * BLURS), _mask(canvas.size, edges, blur // 2)
    drawn_boxes = [box for box in tiles.boxes() if not _is_known(box, canvas.size, edges)]
    tasks: list[Task] = []
    for number, box in enumerate(drawn_boxes):
        names: list[str] = []
        for image in (canvas, mask, latent_mask):
            names.append((yield Store(image.crop(box))))
        job = setting.changed(
            init_images=(names[0],),
            mask=names[1],
            latent_mask=names[2],
            mask_blur_x=blur * BLURS,
            mask_blur_y=blur * BLURS,
            inpainting_fill=FILLS.index(given.text("fill")),
            inpaint_full_res=False,
            inpainting_mask_invert=False,
            batch_size=1,
            n_iter=1,
            seed=params.seed + number,
        )
        tasks.append(Task(params=job))
    drawn: Drawn = yield Draw(tuple(tasks), of=len(tasks))
    pictures: dict[tuple[int, int, int, int], Picture] = {box: made[0] for box, made in zip(drawn_boxes, drawn, strict=True)}
    first = drawn[0][0]
    whole_picture = joined(tiles, (pictures[box].open() if box in pictures else canvas.crop(box) for box in tiles.boxes()))
    yield Show(0, whole_picture, first.infotext, first)
    return Outcome(images=(0,), infotexts=(0,), seeds=(first.seed,), prompts=(params.prompt,), negative_prompts=(params.negative_prompt,))


def _is_known(box: tuple[int, int, int, int], size: tuple[int, int], edges: dict[str, int]) -> bool:
    """Whether the tile lies inside the picture that was there."""
    inside_x = box[0] >= edges["left"] and box[2] <= size[0] - edges["right"]
    return inside_x and box[1] >= edges["up"] and box[3] <= size[1] - edges["down"]


POOR_MANS_OUTPAINTING = Script("poor man's outpainting", "Poor man's outpainting", ("img2img",), _arguments, _plan)
