"""Loopback: each picture is the next one's start, with a denoising strength that changes on the way."""

from math import cos, pi, sin

from PIL import Image

from app.schema.errors import NotSupported
from app.schema.params import Mode
from app.schema.scripts import GRID
from app.scripts.arguments import Argument, Given, choice, number, whole
from app.scripts.grids import grid_that_fits
from app.scripts.script import Draw, Drawn, Outcome, Picture, Plan, Script, Setting, Show, Steps, Store, Task

NO_WORDS = "None"
ORIGINAL = 1


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    return (
        whole("loops", "Loops", 4, 1, 32, most=1000),
        number("final", "Final denoising strength", 0.5, 0, 1),
        choice("curve", "Denoising strength curve", ("Aggressive", "Linear", "Lazy"), "Linear"),
        choice("words", "Append interrogated prompt at each iteration", (NO_WORDS, "CLIP", "DeepBooru"), NO_WORDS),
    )


def strength_at(loop: int, loops: int, begin: float, end: float, curve: str) -> float:
    """Denoising strength of a loop, counted from 0: `begin` in the first one, `end` in the last."""
    if loops == 1:
        return begin
    way = loop / (loops - 1)
    if curve == "Aggressive":
        way = sin(way * pi / 2)
    elif curve == "Lazy":
        way = 1 - cos(way * pi / 2)
    return min(1.0, max(0.0, begin + (end - begin) * way))


def _plan(setting: Setting, given: Given) -> Plan:
    if given.text("words") != NO_WORDS:
        raise NotSupported("Loopback cannot describe pictures in words yet; choose None for the interrogated prompt.")
    loops, batches = given.whole("loops"), setting.params.n_iter
    setting.changed(batch_size=1, n_iter=1, init_images=setting.params.init_images[:1])
    return Plan(_steps(setting, given, loops, batches), loops * batches)


def _steps(setting: Setting, given: Given, loops: int, batches: int) -> Steps:
    """With one batch every loop's picture is a result, with several only the last ones."""
    params = setting.params
    told = {"Final denoising strength": str(given.number("final")), "Denoising curve": given.text("curve")}
    results: list[tuple[Picture, Image.Image]] = []
    seed, first = params.seed, ""
    for batch in range(batches):
        start, changes = params.init_images[0], dict[str, object]()
        for loop in range(loops):
            strength = strength_at(loop, loops, params.strength, given.number("final"), given.text("curve"))
            job = setting.changed(
                **changes,
                batch_size=1,
                n_iter=1,
                seed=seed,
                denoising_strength=strength,
                init_images=(start,),
                colour_source=params.init_images[0],
            )
            shown = loop if batches == 1 else batch if loop == loops - 1 else None
            drawn: Drawn = yield Draw((Task(params=job, shown=shown, extras=told),))
            picture = drawn[0][0]
            first = first or picture.infotext
            pixels = picture.open()
            if shown is not None:
                results.append((picture, pixels))
            if loop < loops - 1:
                start = yield Store(pixels)
                changes = {"inpainting_fill": ORIGINAL}  # else what was drawn would be filled away
            seed += 1
    numbers = tuple(range(len(results)))
    grids: tuple[int, ...] = ()
    if len(results) > 1 and setting.options.switch("return_grid"):
        most = int(setting.options.number("img_max_size_mp") * 1e6)
        grid = grid_that_fits([pixels for _, pixels in results], 1, setting.options.text("grid_background_color"), most)
        if grid is not None:
            yield Show(GRID, grid, first, results[0][0])
            grids = (GRID,)
    return Outcome(
        images=(*grids, *numbers),
        # A1111 tells the first picture's settings of all.
        infotexts=(first,) * (len(grids) + len(numbers)),
        seeds=tuple(picture.seed for picture, _ in results),
        prompts=(params.prompt,) * len(results),
        negative_prompts=(params.negative_prompt,) * len(results),
    )


LOOPBACK = Script("loopback", "Loopback", ("img2img",), _arguments, _plan)
