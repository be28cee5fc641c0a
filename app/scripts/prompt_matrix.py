"""Prompt matrix: every combination of the parts of a prompt that `|` separates."""

from app.schema.errors import InvalidParams
from app.schema.params import Mode
from app.schema.scripts import GRID
from app.scripts.arguments import Argument, Given, choice, switch, whole
from app.scripts.grids import Words, picture_grid, with_legend
from app.scripts.script import Draw, Drawn, Outcome, Plan, Script, Setting, Show, Steps, Task

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
    fixed, *parts = prompt.split("|")
    if len(parts) > MAX_PARTS:
        raise InvalidParams(f"A prompt matrix can have at most {MAX_PARTS} parts after the first; this one has {len(parts)}.")
    variable = [part.strip(" ,\n") for part in parts]
    found = []
    for number in range(2 ** len(parts)):
        chosen = [part for bit, part in enumerate(variable) if number >> bit & 1]
        found.append(join.join([*chosen, fixed] if first else [fixed, *chosen]))
    return found


def _legend(parts: list[str]) -> list[list[Words]]:
    return [[Words(part, bool(number >> bit & 1)) for bit, part in enumerate(parts)] for number in range(2 ** len(parts))]


def _plan(setting: Setting, given: Given) -> Plan:
    params, field = setting.params, "prompt" if given.text("which") == "positive" else "negative_prompt"
    prompts = combinations(getattr(params, field), JOINS[given.text("join")], first=given.switch("first"))
    tasks = []
    for number, prompt in enumerate(prompts):
        seed = params.seed + number * given.switch("seeds")
        changed = setting.changed(**{field: prompt}, seed=seed, subseed=params.subseed + number, batch_size=1, n_iter=1)
        tasks.append(Task(params=changed, shown=number))
    return Plan(_steps(setting, given, tuple(tasks), getattr(params, field)), len(tasks))


def _steps(setting: Setting, given: Given, tasks: tuple[Task, ...], prompt: str) -> Steps:
    drawn: Drawn = yield Draw(tasks)
    pictures = [made[0] for made in drawn]
    parts = [part.strip(" ,\n") for part in prompt.split("|")[1:]]
    boundary = -(-len(parts) // 2)
    columns, rows = _legend(parts[:boundary]), _legend(parts[boundary:])
    options = setting.options
    background = options.text("grid_background_color")
    grid = picture_grid([picture.open() for picture in pictures], len(rows), background, int(options.number("img_max_size_mp") * 1e6))
    grid = with_legend(grid, columns, rows, background, given.whole("margin_px"))
    yield Show(GRID, grid, pictures[0].infotext, pictures[0])
    numbers = tuple(range(len(pictures)))
    return Outcome(
        images=(GRID, *numbers),
        infotexts=(0, *numbers),
        first=1,
        seeds=tuple(picture.seed for picture in pictures),
        prompts=tuple(task.params.prompt for task in tasks),
        negative_prompts=tuple(task.params.negative_prompt for task in tasks),
    )


PROMPT_MATRIX = Script("prompt matrix", "Prompt matrix", ("txt2img", "img2img"), _arguments, _plan)
