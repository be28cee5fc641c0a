"""Values, arguments and lines that people write for scripts."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from app.schema.errors import DarkroomError, InvalidParams, NotSupported, TooLarge, UnknownName
from app.schema.params import make_params
from app.scripts import ScriptTable, Setting
from app.scripts.loopback import strength_at
from app.scripts.prompt_matrix import combinations
from app.scripts.prompts_from_file import read_line
from app.scripts.xyz_values import numbers, split_values, whole_numbers

TABLE = ScriptTable()
XYZ_END = [True, False, False, False, False, False, False, 0, True]


class Options:
    """A1111's defaults of what scripts ask for."""

    def switch(self, name):
        return {"return_grid": True}[name]

    def number(self, name):
        return {"img_max_size_mp": 200.0}[name]

    def text(self, name):
        return {"grid_background_color": "#ffffff"}[name]


def resolve(params):
    if params.checkpoint == "nope":
        raise UnknownName("checkpoint", "nope", ["tiny-a"])
    return params


def setting(mode="txt2img", drawn=(), **values):
    start = {"init_images": ("a" * 64,)} if mode == "img2img" else {}
    params = make_params(**{"mode": mode, "prompt": "a red house", "seed": 5, "width": 64, "height": 64, **start, **values})
    return Setting(params=params, options=Options(), resolve=resolve, styles=(("bold", "{prompt}, bold", ""),), drawn=frozenset(drawn))


def planned(name, arguments, mode="txt2img", drawn=(), **values):
    return TABLE.find(name, mode).planned(setting(mode, drawn, **values), arguments)


def tasks_of(plan):
    return next(plan.steps).tasks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1-3", [1, 2, 3]),
        ("3-7 (+2)", [3, 5, 7]),
        ("5-1", [5, 4, 3, 2, 1]),
        ("5-1 (-2)", [5, 3, 1]),
        ("1-10 [4]", [1, 4, 7, 10]),
        ("-1, 4", [-1, 4]),
        ("1, 3-4, 9", [1, 3, 4, 9]),
    ],
)
def test_whole_numbers(text, found):
    assert whole_numbers("Steps", split_values(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("0.3-0.9 [3]", [0.3, 0.6000000000000001, 0.9]), ("3-6 (+1.5)", [3.0, 4.5, 6.0]), ("2, 7", [2.0, 7.0]), ("-0.5", [-0.5])],
)
def test_numbers(text, found):
    assert numbers("CFG Scale", split_values(text)) == found


def test_quotes_hold_a_value_with_a_comma_together():
    assert split_values('red, blue, "dark, green"\nlight') == ["red", "blue", "dark, green", "light"]


@pytest.mark.parametrize(("curve", "loops", "found"), [("Linear", 3, [0.6, 0.4, 0.2]), ("Aggressive", 2, [0.6, 0.2]), ("Lazy", 1, [0.6])])
def test_loopback_ends_at_the_final_strength(curve, loops, found):
    assert [round(strength_at(loop, loops, 0.6, 0.2, curve), 6) for loop in range(loops)] == found


def test_a_matrix_counts_its_parts_in_binary():
    assert combinations("a|b|c", ", ", first=False) == ["a", "a, b", "a, c", "a, b, c"]
    assert combinations("a|b", " ", first=True) == ["a", "b a"]


def test_a_line_sets_what_it_names():
    assert read_line('--prompt "a tall tree" --steps 3 --cfg_scale 2.5 --tiling true') == {
        "prompt": "a tall tree", "steps": 3, "cfg_scale": 2.5, "tiling": True,
    }  # fmt: skip
    assert read_line("--prompt a tall tree --seed -1") == {"prompt": "a tall tree", "seed": -1}


def test_seeds_that_were_left_to_chance_differ_by_line_but_are_the_same_again():
    seeds = []
    for same in (False, False, True):
        plan = planned("prompts from file or textbox", [False, same, "start", "a\nb\nc"], drawn=["seed"])
        seeds.append([task.params.seed for task in tasks_of(plan)])
    assert seeds[0] == seeds[1] and len(set(seeds[0])) == 3 and seeds[2] == [5, 5, 5]


def test_axes_are_applied_x_y_z_and_vary_seeds_apart():
    plan = planned("x/y/z plot", [4, "3,5", [], 1, "7,9", [], 41, "64x64,32x48", [], *XYZ_END[:4], True, True, True, 0, True])
    found = [(task.params.steps, task.params.seed, task.params.width, task.shown) for task in tasks_of(plan)]
    assert found[:4] == [(3, 7, 64, 0), (5, 8, 64, 1), (3, 11, 64, 2), (5, 12, 64, 3)]
    assert found[4:] == [(3, 11, 32, 4), (5, 12, 32, 5), (3, 15, 32, 6), (5, 16, 32, 7)]


def test_orders_and_replacements_act_on_the_prompt():
    plan = planned("x/y/z plot", [8, "house, red", [], 7, "red, blue", [], 30, "bold", [], *XYZ_END], prompt="a red house here")
    # Prompt order looks for its parts before anything is replaced.
    assert [task.params.prompt for task in tasks_of(plan)][:2] == ["a house red here, bold", "a red house here, bold"]


def plot(number, values, *more):
    """`script_args` of a plot with one axis, or two."""
    second = more or (0, "")
    return [number, values, [], *second, [], 0, "", [], *XYZ_END]


def lines(text):
    return [False, False, "end", text]


LOOPBACK, UPSCALE, MATRIX, FILE, PLOT = (
    "loopback", "sd upscale", "prompt matrix", "prompts from file or textbox", "x/y/z plot",
)  # fmt: skip
WRONG = {
    "too few": (LOOPBACK, [3], "takes 4 script_args"),
    "too many": (LOOPBACK, [3, 0.5, "Linear", "None", 1], "5 were given"),
    "a text for a number": (LOOPBACK, ["x", 0.5, "Linear", "None"], "'Loops' should be a number"),
    "half a loop": (LOOPBACK, [1.5, 0.5, "Linear", "None"], "a whole number"),
    "not a number": (LOOPBACK, [float("nan"), 0.5, "Linear", "None"], "from 1 to 1000"),
    "an unknown curve": (LOOPBACK, [3, 0.5, "Wild", "None"], "one of Aggressive, Linear, Lazy"),
    "a captioner": (LOOPBACK, [3, 0.5, "Linear", "CLIP"], "describe pictures", {}, NotSupported),
    "an overlap as large as a tile": (UPSCALE, [None, 64, "None", 2], "cannot overlap by 64"),
    "an odd tile": (UPSCALE, [None, 16, "None", 2], "steps of 8", {"width": 70}),
    "an upscaler that is not here": (UPSCALE, [None, 16, 9, 2], "from 0 to 2"),
    "no lines": (FILE, lines(" \n "), "at least one line"),
    "an unknown flag": (FILE, lines("--nope 1"), "'--nope'"),
    "a flag without value": (FILE, lines("--seed"), "lacks its value"),
    "a flag's wrong value": (FILE, lines("--seed x"), "no value for it"),
    "an open quote": (FILE, lines('--prompt "a'), "does not end"),
    "a size over the limits": (FILE, lines("--width 99999 --prompt a"), "width"),
    "a matrix without end": (MATRIX, [False, False, "positive", "comma", 0], "at most 12", {"prompt": "|".join("a" * 40)}),
    "a negative matrix argument": (MATRIX, [False, False, False, "comma", 0], "'Select prompt'"),
    "an axis that is none": (PLOT, plot(99, "1"), "'X type'"),
    "an axis without values": (PLOT, plot(1, ""), "at least one value"),
    "letters on a number's axis": (PLOT, plot(4, "a-b"), "whole number or a range"),
    "steps that go nowhere": (PLOT, plot(4, "1-9 (+0)"), "not 0"),
    "too many values": (PLOT, plot(4, "1-999999"), "the limit is 1000"),
    "too many values of a count": (PLOT, plot(6, "1-2 [99999999]"), "the limit is 1000"),
    "too many cells": (PLOT, plot(4, "1-900", 6, "1-900"), "cells; the limit"),
    "a word that is not there": (PLOT, plot(7, "blue, red"), "do not hold 'blue'"),
    "a part that is not there": (PLOT, plot(8, "red, cat"), "does not hold 'cat'"),
    "too many parts to order": (PLOT, plot(8, "a,b,c,d,e,f,g,h"), "at most 6"),
    "an unknown checkpoint": (PLOT, plot(11, "nope"), "checkpoint 'nope'", {}, UnknownName),
    "an axis that is not here yet": (PLOT, plot(45, "1"), "Hypertile", {}, NotSupported),
    "a size that is none": (PLOT, plot(41, "big"), "like 512x768"),
    "steps over the schema's limit": (PLOT, plot(4, "5000"), "steps"),
    "words that would fill the memory": (PLOT, plot(7, "e," + "x" * 1000), "112392 characters", {"prompt": "red house" * 56}, TooLarge),
    "a matrix's grid over the limit": (
        MATRIX,
        [False, False, "positive", "comma", 0],
        "16384x16384",
        {"prompt": "|" * 10, "width": 512, "height": 512},
        TooLarge,
    ),
    "a matrix's margins over the limit": (MATRIX, [False, False, "positive", "comma", 500], "35596x35596", {"prompt": "|" * 12}, TooLarge),
    "a plot's margins over the limit": (PLOT, [*plot(1, "1-50", 4, "1-50")[:-2], 500, True], "27700x27700", {}, TooLarge),
    "a grid over the limit": (PLOT, plot(1, "1-900"), "img_max_size_mp", {"width": 8192, "height": 8192}, TooLarge),
}


def test_a_grid_over_the_limit_costs_nobody_the_pictures():
    plan = planned("prompt matrix", [False, False, "positive", "comma", 0], prompt="a|b")
    tasks = tasks_of(plan)
    # Pasted back into a larger picture: the request could not tell that the grid would be so large.
    large = SimpleNamespace(seed=5, infotext="", open=lambda: Image.new("RGB", (10_001, 10_000)))
    with pytest.raises(StopIteration) as end:
        plan.steps.send(((large,),) * len(tasks))
    outcome = end.value.value
    assert (outcome.images, outcome.infotexts, outcome.first) == ((0, 1), (0, 1), 0)


def test_words_beside_a_plot_do_not_take_it_over_the_limit(monkeypatch):
    options = Options()
    options.number = lambda name: 0.0082  # megapixels: the cells have 8192 pixels
    plan = TABLE.find(PLOT, "txt2img").planned(replace(setting(), options=options), plot(1, "1,2"))
    tasks = tasks_of(plan)
    cell = SimpleNamespace(seed=5, infotext="Steps: 2", open=lambda: Image.new("RGB", (64, 64)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8192)  # Pillow's own limit is below ours
    step = plan.steps.send(((cell,),) * len(tasks))
    assert step.number == -1 and step.image.width * step.image.height > 8200


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_wrong_arguments_get_a_sentence(case):
    name, arguments, words, values, error = (*case, {}, InvalidParams)[: len(case)] + ({}, InvalidParams)[len(case) - 3 :]
    mode = "img2img" if name in (LOOPBACK, UPSCALE) else "txt2img"
    with pytest.raises(error) as raised:
        planned(name, arguments, mode, **values)
    assert words in str(raised.value) and isinstance(raised.value, DarkroomError) and len(str(raised.value)) < 600
