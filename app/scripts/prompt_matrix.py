"""Prompt matrix: every combination of the parts of a prompt that `|` separates."""

import logging

from PIL import Image

from app.schema.errors import InvalidParams, TooLarge
from app.schema.params import Mode
from app.schema.scripts import GRID
from app.scripts.arguments import Argument, Given, choice, switch, whole
from app.scripts.grids import Words, check_size, drawn_size, picture_grid, with_legend
from app.scripts.script import Draw, Drawn, Outcome, Picture, Plan, Script, Setting, Show, Steps, Task

log = logging.getLogger(__name__)

MAX_PARTS = 12
JOINS = {"comma": ", ", "space": " "}


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    return (
        switch("first", "Put variable parts at start of prompt"),
        switch("seeds", "Use different seed for each picture"),
        choice("which", "Select prompt", ("positive", "negative"), "positive"),
        choice("join", "Select joining char", tuple(JOINS), "comma"),
        whole("margin_px", "Grid margins (px)", 0, 0, 500, 2),
    )


def combinations(prompt: str, join: str, *, first: bool) -> list[str]:
    """The prompts: bit k of a prompt's number says whether it has part k + 1. InvalidParams for too many parts."""
    fixed, variable = prompt.partition("|")[0], _parts(prompt)
    if len(variable) > MAX_PARTS:
        raise InvalidParams(f"A prompt matrix can have at most {MAX_PARTS} parts after the first; this one has {len(variable)}.")
    found = []
    for number in range(2 ** len(variable)):
        chosen = [part for bit, part in enumerate(variable) if number >> bit & 1]
        found.append(join.join([*chosen, fixed] if first else [fixed, *chosen]))
    return found


def _legend(parts: list[str]) -> list[list[Words]]:
    return [[Words(part, bool(number >> bit & 1)) for bit, part in enumerate(parts)] for number in range(2 ** len(parts))]


def _parts(prompt: str) -> list[str]:
    return [part.strip(" ,\n") for part in prompt.split("|")[1:]]


def _check_size(setting: Setting, parts: list[str], picture: tuple[int, int], margin_px: int) -> None:
    boundary = -(-len(parts) // 2)
    columns, rows = 2**boundary, 2 ** (len(parts) - boundary)
    most = int(setting.options.number("img_max_size_mp") * 1e6)
    check_size(picture[0] * columns + margin_px * (columns - 1), picture[1] * rows + margin_px * (rows - 1), most)


def _plan(setting: Setting, given: Given) -> Plan:
    params, field = setting.params, "prompt" if given.text("which") == "positive" else "negative_prompt"
    prompts = combinations(getattr(params, field), JOINS[given.text("join")], first=given.switch("first"))
    _check_size(setting, _parts(getattr(params, field)), drawn_size(params), given.whole("margin_px"))
    tasks = []
    for number, prompt in enumerate(prompts):
        seed = params.seed + number * given.switch("seeds")
        changed = setting.changed(**{field: prompt}, seed=seed, subseed=params.subseed + number, batch_size=1, n_iter=1)
        tasks.append(Task(params=changed, shown=number))
    return Plan(_steps(setting, given, tuple(tasks), getattr(params, field)), len(tasks))


def _grid(setting: Setting, given: Given, parts: list[str], pictures: list[Picture]) -> Image.Image | None:
    """None if it would be too large, as by pictures that were pasted back into larger ones: then the pictures are the result."""
    try:
        _check_size(setting, parts, pictures[0].open().size, given.whole("margin_px"))
    except TooLarge as problem:
        log.warning("a prompt matrix gets no grid: %s", problem)
        return None
    boundary, background = -(-len(parts) // 2), setting.options.text("grid_background_color")
    columns, rows = _legend(parts[:boundary]), _legend(parts[boundary:])
    most = int(setting.options.number("img_max_size_mp") * 1e6)
    grid = picture_grid([picture.open() for picture in pictures], len(rows), background, most)
    return with_legend(grid, columns, rows, background, given.whole("margin_px"))


def _steps(setting: Setting, given: Given, tasks: tuple[Task, ...], prompt: str) -> Steps:
    drawn: Drawn = yield Draw(tasks)
    pictures = [made[0] for made in drawn]
    grid = _grid(setting, given, _parts(prompt), pictures)
    if grid is not None:
        yield Show(GRID, grid, pictures[0].infotext, pictures[0])
    has_grid, numbers = grid is not None, tuple(range(len(pictures)))
    return Outcome(
        images=((GRID,) if has_grid else ()) + numbers,
        infotexts=((0,) if has_grid else ()) + numbers,
        first=int(has_grid),
        seeds=tuple(picture.seed for picture in pictures),
        prompts=tuple(task.params.prompt for task in tasks),
        negative_prompts=tuple(task.params.negative_prompt for task in tasks),
        with_beside=True,
    )


PROMPT_MATRIX = Script("prompt matrix", "Prompt matrix", ("txt2img", "img2img"), _arguments, _plan)
