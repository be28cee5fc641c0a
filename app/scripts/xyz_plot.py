"""X/Y/Z plot: a job for every combination of the values of up to three axes, shown as a grid."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from PIL import Image

from app.metadata import with_fields
from app.schema.errors import InvalidParams
from app.schema.params import GenerationParams, Mode
from app.schema.scripts import GRID, SUBGRIDS
from app.scripts.arguments import Argument, Given, by_index, several, switch, text, whole
from app.scripts.grids import Words, check_size, drawn_size, picture_grid, with_legend
from app.scripts.script import MAX_TASKS, SCRIPT, Draw, Drawn, Outcome, Picture, Plan, Script, Setting, Show, Steps, Task
from app.scripts.xyz_axes import NAMES, SEEDS, Axis, Value, find_axis
from app.scripts.xyz_texts import as_a1111_tells

TITLE = "X/Y/Z plot"
NOTHING = "Nothing"
NEW_SEEDS = 2**32


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    axes = [
        argument
        for letter in "XYZ"
        for argument in (
            by_index(
                f"{letter}_type",
                f"{letter} type",
                NAMES[mode],
                "Seed" if letter == "X" else NOTHING,
                told=f"{letter} Type",
                untold=NOTHING,
            ),
            text(f"{letter}_values", f"{letter} values", told=f"{letter} Values"),
            several(f"{letter}_chosen", f"{letter} values", None),
        )
    ]
    return (
        *axes,
        switch("legend", "Draw legend", True),
        switch("singles", "Include Sub Images"),
        switch("subgrids", "Include Sub Grids"),
        switch("random", "Keep -1 for seeds"),
        switch("vary_X", "Vary seeds for X"),
        switch("vary_Y", "Vary seeds for Y"),
        switch("vary_Z", "Vary seeds for Z"),
        whole("margin_px", "Grid margins (px)", 0, 0, 500, 2),
        switch("as_text", "Use text inputs instead of dropdowns"),
    )


@dataclass(frozen=True)
class Line:
    """One axis of one plot."""

    letter: str
    axis: Axis
    said: str
    """The values as they were written."""
    values: tuple[Value, ...]

    def told(self, *, fixed: bool) -> dict[str, str]:
        """Infotext fields."""
        if self.axis.kind == "none":
            return {}
        fields = {f"{self.letter} Type": self.axis.label, f"{self.letter} Values": self.said}
        if fixed and self.axis.field in SEEDS:
            fields[f"Fixed {self.letter} Values"] = ", ".join(str(value) for value in self.values)
        return fields

    def legend(self) -> list[list[Words]]:
        """Words for its rows or columns."""
        return [[Words(self.axis.legend(value))] for value in self.values]


def _line(letter: str, setting: Setting, given: Given, chance: random.Random) -> Line:
    axis = find_axis(setting.params.mode, given.text(f"{letter}_type"), letter)
    chosen, as_text = given.texts(f"{letter}_chosen"), given.switch("as_text")
    said = ",".join(chosen) if chosen and not as_text and axis.kind != "none" else given.text(f"{letter}_values")
    values = axis.values(given.text(f"{letter}_values"), chosen, as_text=as_text)
    if axis.field in SEEDS and not given.switch("random"):
        values = [chance.randrange(NEW_SEEDS) if value == -1 else value for value in values]
    return Line(letter, axis, said, tuple(values))


def _plan(setting: Setting, given: Given) -> Plan:
    chance = random.Random(setting.params.seed)
    x, y, z = (_line(letter, setting, given, chance) for letter in "XYZ")
    if len(x.values) * len(y.values) * len(z.values) > MAX_TASKS:
        raise InvalidParams(f"The plot would have {len(x.values) * len(y.values) * len(z.values)} cells; the limit is {MAX_TASKS}.")
    tasks: list[Task] = []
    for places in product(*(range(len(line.values)) for line in (z, y, x))):
        params = _cell(setting, given, dict(zip((z, y, x), places, strict=True)), chance)
        tasks.append(Task(params=params, shown=sum(task.params.pictures for task in tasks[-1:]) + (tasks[-1].shown or 0) if tasks else 0))
    _check_size(setting, tasks, (x, y, z), given.whole("margin_px") if given.switch("legend") else 0)
    return Plan(_steps(setting, given, (x, y, z), tuple(tasks)), len(tasks))


def _cell(setting: Setting, given: Given, places: dict[Line, int], chance: random.Random) -> GenerationParams:
    """A cell's settings: x is applied first, then y, then z."""
    cell = setting.params
    lines = sorted(places, key=lambda line: line.letter)
    for line in lines:
        value = line.values[places[line]]
        changes = line.axis.change(cell, value, setting, line.values)
        if line.axis.field in SEEDS and value == -1:
            changes = {line.axis.field: chance.randrange(NEW_SEEDS)}
        if unknown := changes.keys() - GenerationParams.model_fields.keys():
            raise InvalidParams(f"The axis {line.axis.label} is not there yet ({', '.join(unknown)}).")
        cell = cell.model_copy(update=changes)
    seed, weight = cell.seed, 1
    for line in lines:
        if given.switch(f"vary_{line.letter}"):
            seed += places[line] * weight
            weight *= len(line.values)
    return setting.changed(**{**cell.model_dump(), "seed": seed})


def _check_size(setting: Setting, tasks: Sequence[Task], lines: tuple[Line, Line, Line], margin_px: int) -> None:
    """Of the cells and what lies between them; words come on top."""
    columns, rows, grids = (len(line.values) for line in lines)
    width, height = (max(sides) for sides in zip(*(drawn_size(task.params) for task in tasks), strict=True))
    check_size((width * columns + margin_px * (columns - 1)) * grids, height * rows + margin_px * (rows - 1), _most(setting))


def _most(setting: Setting) -> int:
    return int(setting.options.number("img_max_size_mp") * 1e6)


def _steps(setting: Setting, given: Given, lines: tuple[Line, Line, Line], tasks: tuple[Task, ...]) -> Steps:
    x, y, z = lines
    drawn: Drawn = yield Draw(tasks)
    cells: list[Picture] = [made[0] for made in drawn]
    a_subgrid = len(x.values) * len(y.values)
    texts = as_a1111_tells([cell.infotext for cell in cells], [len(line.values) for line in lines], [line.axis.cost for line in lines])
    fixed = not given.switch("random")
    told = {SCRIPT: TITLE, **x.told(fixed=fixed), **y.told(fixed=fixed)}
    subgrids: list[Image.Image] = []
    numbers: list[int] = []
    grid_texts: list[str] = []
    for number in range(len(z.values)):
        some = slice(number * a_subgrid, (number + 1) * a_subgrid)
        grid = picture_grid([cell.open() for cell in cells[some]], len(y.values), _background(setting), _most(setting))
        if given.switch("legend"):
            grid = with_legend(grid, x.legend(), y.legend(), _background(setting), given.whole("margin_px"))
        subgrids.append(grid)
        if given.switch("subgrids"):
            numbers.append(SUBGRIDS - number)
            grid_texts.append(with_fields(texts[number * a_subgrid], told))
            yield Show(numbers[-1], grid, with_fields(cells[number * a_subgrid].infotext, told), cells[number * a_subgrid])
    # The limit is for the cells, which have passed it: the words beside them do not fail a plot that is drawn.
    whole_grid = picture_grid(subgrids, 1, _background(setting), None)
    if given.switch("legend"):
        whole_grid = with_legend(whole_grid, z.legend(), [[]], _background(setting))
    told |= z.told(fixed=fixed)
    yield Show(GRID, whole_grid, with_fields(cells[0].infotext, told), cells[0])
    singles = tuple(task.shown or 0 for task in tasks) if given.switch("singles") else ()
    return Outcome(
        images=(GRID, *numbers, *singles),
        infotexts=(with_fields(texts[0], told), *grid_texts, *texts),
        first=1,
        seeds=tuple(cell.seed for cell in cells),
        prompts=tuple(task.params.prompt for task in tasks),
        negative_prompts=tuple(task.params.negative_prompt for task in tasks),
    )


def _background(setting: Setting) -> str:
    return setting.options.text("grid_background_color")


XYZ_PLOT = Script("x/y/z plot", TITLE, ("txt2img", "img2img"), _arguments, _plan)
