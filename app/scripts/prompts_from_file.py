"""Prompts from file or textbox: one job a line, whose line may also set other things, as on a command line."""

import random
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.prompt import apply_styles
from app.schema.errors import InvalidParams, shown
from app.schema.params import GenerationParams, Mode
from app.scripts.arguments import Argument, Given, choice, switch, text
from app.scripts.script import Draw, Drawn, Outcome, Plan, Script, Setting, Steps, Task

MAX_LINES = 10_000
NEW_SEEDS = 2**32


def _arguments(mode: Mode) -> tuple[Argument, ...]:
    return (
        switch("counts", "Iterate seed every line"),
        switch("same", "Use same random seed for all lines"),
        choice("place", "Insert prompts at the", ("start", "end"), "start"),
        text("lines", "List of prompt inputs", lines=8, info='One prompt a line, or settings: --prompt "a house" --steps 30 --width 768'),
    )


def _switch(word: str) -> bool:
    if word.lower() not in ("true", "false"):
        raise ValueError("should be true or false")
    return word.lower() == "true"


FLAGS: Mapping[str, tuple[str, Callable[[str], object]]] = MappingProxyType(
    {
        "prompt": ("prompt", str),
        "negative_prompt": ("negative_prompt", str),
        "styles": ("styles", str),
        "seed": ("seed", int),
        "subseed": ("subseed", int),
        "subseed_strength": ("subseed_strength", float),
        "seed_resize_from_w": ("seed_resize_from_w", int),
        "seed_resize_from_h": ("seed_resize_from_h", int),
        "sampler_name": ("sampler", str),
        "sampler_index": ("sampler", str),
        "sd_model": ("checkpoint", str),
        "batch_size": ("batch_size", int),
        "n_iter": ("n_iter", int),
        "steps": ("steps", int),
        "cfg_scale": ("cfg_scale", float),
        "width": ("width", int),
        "height": ("height", int),
        "tiling": ("tiling", _switch),
    }
)
"""What a line may set: the word behind `--`, the field of GenerationParams, how the value is read."""
IGNORED = frozenset({"outpath_samples", "outpath_grids", "prompt_for_display", "do_not_save_samples", "do_not_save_grid"})
"""A1111's words for files and its page, which mean nothing here."""


def read_line(line: str) -> dict[str, object]:
    """What one line sets, by fields of GenerationParams and `styles`; InvalidParams with a sentence."""
    if "--" not in line:
        return {"prompt": line}
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise InvalidParams(f"The line {shown(line)!r} has a quote that does not end.") from error
    found: dict[str, object] = {}
    while words:
        flag = words.pop(0)
        name = flag.removeprefix("--")
        if flag == name or (name not in FLAGS and name not in IGNORED):
            raise InvalidParams(f"{shown(flag)!r} in the line {shown(line)!r} is not known. Known: {', '.join(f'--{n}' for n in FLAGS)}.")
        values = [words.pop(0)] if words else []
        while name in ("prompt", "negative_prompt") and words and not words[0].startswith("--"):
            values.append(words.pop(0))  # a prompt needs no quotes
        if not values:
            raise InvalidParams(f"{flag} in the line {shown(line)!r} lacks its value.")
        if name in FLAGS:
            field, convert = FLAGS[name]
            try:
                found[field] = convert(" ".join(values))
            except ValueError as error:
                raise InvalidParams(f"{flag} {shown(values[0])!r} in the line {shown(line)!r} is no value for it.") from error
    return found


def _plan(setting: Setting, given: Given) -> Plan:
    lines = [line for line in (line.strip() for line in given.text("lines").splitlines()) if line]
    if not lines:
        raise InvalidParams("Prompts from file needs at least one line with a prompt.")
    if len(lines) > MAX_LINES:
        raise InvalidParams(f"There are {len(lines)} lines; at most {MAX_LINES} are possible.")
    base, chance = setting.params, random.Random(setting.params.seed)
    fixed = given.switch("counts") or given.switch("same") or "seed" not in setting.drawn
    seed, number, tasks = base.seed, 0, []
    for line in lines:
        changes = {"seed": seed if fixed else chance.randrange(NEW_SEEDS), **_merged(read_line(line), base, setting, given)}
        if changes.get("subseed") == -1:
            changes["subseed"] = base.subseed
        if changes["seed"] == -1:
            changes["seed"] = chance.randrange(NEW_SEEDS)
        params = setting.changed(**changes)
        tasks.append(Task(params=params, shown=number))
        number += params.pictures
        seed += base.pictures * given.switch("counts")
    return Plan(_steps(tuple(tasks)), len(tasks), opens=False)


def _merged(said: dict[str, object], base: GenerationParams, setting: Setting, given: Given) -> dict[str, object]:
    """The line's settings, its prompts beside those of the request."""
    for field in ("prompt", "negative_prompt"):
        if field in said and (own := getattr(base, field)):
            said[field] = f"{said[field]} {own}" if given.text("place") == "start" else f"{own} {said[field]}"
    if (named := said.pop("styles", None)) is not None:
        names = [name.strip() for name in str(named).split(",")]
        prompt, negative = str(said.get("prompt", base.prompt)), str(said.get("negative_prompt", base.negative_prompt))
        said["prompt"], said["negative_prompt"] = apply_styles(setting.styles, prompt, negative, names)
    return said


def _steps(tasks: tuple[Task, ...]) -> Steps:
    drawn: Drawn = yield Draw(tasks)
    pictures = [picture for made in drawn for picture in made]
    numbers = tuple(range(len(pictures)))
    return Outcome(
        images=numbers,
        infotexts=numbers,
        seeds=tuple(picture.seed for picture in pictures),
        prompts=tuple(task.params.prompt for task, made in zip(tasks, drawn, strict=True) for _ in made),
        negative_prompts=tuple(task.params.negative_prompt for task, made in zip(tasks, drawn, strict=True) for _ in made),
        with_beside=True,
    )


PROMPTS_FROM_FILE = Script("prompts from file or textbox", "Prompts from file or textbox", ("txt2img", "img2img"), _arguments, _plan)
