"""SD upscale: the enlarged picture is drawn anew tile by tile, and the tiles fade into each other."""

from PIL import Image

from app.schema.errors import InvalidParams
from app.schema.params import Mode
from app.schema.upscalers import IMAGE_UPSCALERS, NO_UPSCALER
from app.scripts.arguments import Argument, Given, by_index, note, number, whole
from app.scripts.script import Draw, Drawn, Open, Outcome, Picture, Plan, Script, Setting, Show, Steps, Store, Task, check_tasks
from app.scripts.tiles import Tiles, joined, tiled
from app.upscaling import times


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    return (
        note("Will upscale the image by the selected scale factor; use width and height sliders to set tile size"),
        whole("overlap_px", "Tile overlap", 64, 0, 256, 16, most=4096),
        by_index("upscaler", "Upscaler", IMAGE_UPSCALERS, NO_UPSCALER),
        number("factor", "Scale Factor", 2.0, 1, 4, 0.05, most=16),
    )


def _plan(setting: Setting, given: Given) -> Plan:
    params = setting.params
    if params.width % 8 or params.height % 8:
        raise InvalidParams(f"SD upscale needs a tile size in steps of 8 pixels (given: {params.width}x{params.height}).")
    tile = params.width, params.height
    tiled(tile, tile, given.whole("overlap_px"))  # says at once what cannot be
    return Plan(_steps(setting, given), params.n_iter)


def _steps(setting: Setting, given: Given) -> Steps:
    params, upscaler = setting.params, given.text("upscaler")
    picture: Image.Image = yield Open(params.init_images[0])
    if upscaler != NO_UPSCALER:
        picture = times(picture, given.number("factor"), upscaler)
    tiles = tiled(picture.size, (params.width, params.height), given.whole("overlap_px"))
    boxes = tiles.boxes()
    check_tasks(-(-len(boxes) // params.batch_size) * params.n_iter)
    starts = []
    for box in boxes:
        starts.append((yield Store(picture.crop(box))))
    first, seeds, results = "", list[int](), list[Picture]()
    for result in range(params.n_iter):
        tasks = _tasks(setting, given, starts, params.seed + result)
        drawn: Drawn = yield Draw(tasks, of=len(tasks) * params.n_iter)
        results = [picture for made, task in zip(drawn, tasks, strict=True) for picture in made[: len(task.params.init_images)]]
        first = first or results[0].infotext
        yield Show(result, _finished(tiles, results), first, results[0])
        seeds.append(params.seed + result)
    numbers = tuple(range(params.n_iter))
    return Outcome(
        images=numbers,
        infotexts=(first,) * len(numbers),
        seeds=tuple(seeds),
        prompts=(params.prompt,) * len(numbers),
        negative_prompts=(params.negative_prompt,) * len(numbers),
    )


def _tasks(setting: Setting, given: Given, starts: list[str], seed: int) -> tuple[Task, ...]:
    """A batch of tiles each; the seed counts the batches."""
    told = {"SD upscale overlap": str(given.whole("overlap_px")), "SD upscale upscaler": given.text("upscaler")}
    size, tasks = setting.params.batch_size, list[Task]()
    for first in range(0, len(starts), size):
        some = tuple(starts[first : first + size])
        params = setting.changed(seed=seed + len(tasks), n_iter=1, init_images=some, batch_size=len(some))
        tasks.append(Task(params=params, extras=told))
    return tuple(tasks)


def _finished(tiles: Tiles, results: list[Picture]) -> Image.Image:
    return joined(tiles, (picture.open() for picture in results))


SD_UPSCALE = Script("sd upscale", "SD upscale", ("img2img",), _arguments, _plan)
