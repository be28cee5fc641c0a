"""Outpainting mk2: the picture grows side by side, over noise that resembles it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, Mode
from app.schema.scripts import GRID
from app.scripts.arguments import Argument, Given, note, number, several, whole
from app.scripts.grids import grid_that_fits
from app.scripts.matched_noise import matched_noise
from app.scripts.script import Draw, Drawn, Open, Outcome, Picture, Plan, Script, Setting, Show, Steps, Store, Task

SIDES = ("left", "right", "up", "down")
GRID_PX = 64
"""Canvases have sides of whole sixty-fours."""
MAX_CANVAS_PIXELS = 8 * 1024 * 1024
"""Of a canvas that gets noise: making it takes some 450 bytes of memory a pixel."""
BLURS = 4
"""The mask is blurred by so many times the argument."""
ORIGINAL = 1


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    return (
        note("Recommended settings: Sampling Steps: 80-100, Sampler: Euler a, Denoising strength: 0.8"),
        whole("pixels", "Pixels to expand", 128, 8, 256, 8, most=4096),
        whole("blur", "Mask blur", 8, 0, 64),
        several("sides", "Outpainting direction", SIDES, SIDES),
        number("exponent", "Fall-off exponent (lower=higher detail)", 1.0, 0, 4),
        number("colours", "Color variation", 0.05, 0, 1),
    )


def _whole(side: int) -> int:
    """The next multiple of `GRID_PX`."""
    return -(-side // GRID_PX) * GRID_PX


def growth(size: int, before: int, after: int) -> tuple[int, int]:
    """How much really grows before and behind, so that the whole is a multiple of `GRID_PX`: the excess is shared."""
    if not before + after:
        return 0, 0
    target = _whole(size + before + after)
    first = before * (target - size) // (before + after)
    return first, target - size - first if after else 0


def check_canvas(width: int, height: int, most: int) -> None:
    """InvalidParams for a canvas of more than `most` pixels."""
    if width * height > most:
        raise InvalidParams(
            f"The picture would grow to {width}x{height}; this script's limit is {most // 1024**2} megapixels: choose a smaller picture, "
            "or fewer pixels to expand."
        )


@dataclass(frozen=True)
class Side:
    """One expansion."""

    name: str
    pixels: int
    blur_x: int
    blur_y: int

    @property
    def across(self) -> bool:
        """Whether the picture grows in width."""
        return self.name in ("left", "right")

    def canvas(self, picture: Image.Image) -> Image.Image:
        """The picture on a black canvas of whole sixty-fours."""
        width, height = self.grown(picture)
        canvas = Image.new("RGB", (_whole(width), _whole(height)))
        canvas.paste(picture, (self.pixels if self.name == "left" else 0, self.pixels if self.name == "up" else 0))
        return canvas

    def grown(self, picture: Image.Image) -> tuple[int, int]:
        """(width, height) of the picture with what is new."""
        return picture.width + self.pixels * self.across, picture.height + self.pixels * (not self.across)

    def mask(self, size: tuple[int, int], grown: tuple[int, int], blurs: int) -> Image.Image:
        """White, but for the known part; that keeps `blurs` blurs away from the seam. InvalidParams if nothing is left of it."""
        mask = Image.new("L", size, "white")
        box = (
            self.pixels + self.blur_x * blurs if self.name == "left" else 0,
            self.pixels + self.blur_y * blurs if self.name == "up" else 0,
            size[0] - self.pixels - self.blur_x * blurs if self.name == "right" else grown[0],
            size[1] - self.pixels - self.blur_y * blurs if self.name == "down" else grown[1],
        )
        if box[0] > box[2] or box[1] > box[3]:
            raise InvalidParams(
                f"Outpainting {self.name} by {self.pixels} pixels with that mask blur leaves nothing of a picture of {size[0]}x{size[1]} "
                "to go on from: choose a smaller blur, fewer pixels, or a larger picture."
            )
        ImageDraw.Draw(mask).rectangle(box, fill="black")
        return mask

    def crop(self, canvas: Image.Image, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """The part of the canvas at the growing edge that is drawn."""
        left = 0 if self.name == "left" else canvas.width - size[0]
        top = 0 if self.name == "up" else canvas.height - size[1]
        return left, top, left + size[0], top + size[1]


def _plan(setting: Setting, given: Given) -> Plan:
    sides = given.texts("sides")
    if not sides:
        raise InvalidParams("Outpainting needs at least one direction: left, right, up or down.")
    return Plan(_steps(setting, given), setting.params.n_iter * len(sides))


def _sides(size: tuple[int, int], given: Given) -> list[Side]:
    wanted = {name: given.whole("pixels") if name in given.texts("sides") else 0 for name in SIDES}
    left, right = growth(size[0], wanted["left"], wanted["right"])
    up, down = growth(size[1], wanted["up"], wanted["down"])
    check_canvas(_whole(size[0] + left + right), _whole(size[1] + up + down), MAX_CANVAS_PIXELS)
    blur = given.whole("blur")
    blur_x, blur_y = blur if left or right else 0, blur if up or down else 0
    pixels = {"left": left, "right": right, "up": up, "down": down}
    return [Side(name, pixels[name], blur_x, blur_y) for name in SIDES if pixels[name]]


def _steps(setting: Setting, given: Given) -> Steps:
    params = setting.params
    start: Image.Image = yield Open(params.init_images[0])
    sides = _sides(start.size, given)
    results: list[Image.Image] = []
    first: Picture | None = None
    for batch in range(params.n_iter):
        pictures = [start] * params.batch_size
        for side in sides:
            canvases = [_noised(side, picture, given) for picture in pictures]
            grown = side.grown(pictures[0])
            size = _size(params, side, pictures[0], canvases[0])
            boxes = side.crop(canvases[0], size)
            starts: list[str] = []
            for canvas in canvases:
                starts.append((yield Store(canvas.crop(boxes))))
            mask: str = yield Store(side.mask(canvases[0].size, grown, 1).crop(boxes))
            latent_mask: str = yield Store(side.mask(size, grown, 2))
            job = setting.changed(
                init_images=tuple(starts),
                mask=mask,
                latent_mask=latent_mask,
                mask_blur_x=side.blur_x * BLURS,
                mask_blur_y=side.blur_y * BLURS,
                width=size[0],
                height=size[1],
                n_iter=1,
                seed=params.seed + batch * params.batch_size,
                inpaint_full_res=False,
                inpainting_fill=ORIGINAL,
                inpainting_mask_invert=False,
                resize_mode=0,
            )
            drawn: Drawn = yield Draw((Task(params=job),))
            first = first or drawn[0][0]
            for canvas, made in zip(canvases, drawn[0], strict=False):
                canvas.paste(made.open(), boxes[:2])
            pictures = [canvas.crop((0, 0, *grown)) for canvas in canvases]
        results += pictures
    assert first is not None
    for place, picture in enumerate(results):
        yield Show(place, picture, first.infotext, first)
    grid = _grid(setting, results) if _wants_grid(setting, results) else None
    if grid is not None:
        yield Show(GRID, grid, first.infotext, first)
    numbers = tuple(range(len(results)))
    return Outcome(
        images=((GRID,) if grid is not None else ()) + numbers,
        infotexts=(first.infotext,) * (len(numbers) + (grid is not None)),
        seeds=tuple(params.seed + place for place in numbers),
        prompts=(params.prompt,) * len(numbers),
        negative_prompts=(params.negative_prompt,) * len(numbers),
    )


def _noised(side: Side, picture: Image.Image, given: Given) -> Image.Image:
    canvas = side.canvas(picture)
    mask = side.mask(canvas.size, side.grown(picture), 1)
    pixels, shares = np.asarray(canvas) / 255, np.asarray(mask.convert("RGB")) / 255
    noised = matched_noise(pixels, shares, given.number("exponent"), given.number("colours"))
    return Image.fromarray((noised * 255).astype(np.uint8))


def _size(params: GenerationParams, side: Side, picture: Image.Image, canvas: Image.Image) -> tuple[int, int]:
    """(width, height) of what is drawn: along the growth at most the request's own."""
    grown = side.grown(picture)
    return (min(params.width, grown[0]), canvas.height) if side.across else (canvas.width, min(params.height, grown[1]))


def _wants_grid(setting: Setting, results: list[Image.Image]) -> bool:
    options = setting.options
    return options.switch("return_grid") and (len(results) > 1 or not options.switch("grid_only_if_multiple"))


def _grid(setting: Setting, results: list[Image.Image]) -> Image.Image | None:
    most = int(setting.options.number("img_max_size_mp") * 1e6)
    return grid_that_fits(results, max(1, round(len(results) ** 0.5)), setting.options.text("grid_background_color"), most)


OUTPAINTING_MK2 = Script("outpainting mk2", "Outpainting mk2", ("img2img",), _arguments, _plan)
