"""Captions for one picture: many ways in which somebody may ask for it."""

import re

SHAPES = (
    ["{}"] * 5
    + ["a {}"] * 4
    + [
        "the {}",
        "a picture of a {}",
        "an emoji of a {}",
        "{} emoji",
        "{} icon",
        "a drawing of a {}",
        "a photo of a {}",
        "an illustration of a {}",
        "a cute {}",
        "a beautiful {}",
        "one {}",
        "a simple {}",
        "a small {}",
    ]
)
ON = [" on a {} background", " on a {} background", ", {} background", " with a {} background", " on {}"]
STYLE = [", {} style", " in {} style", ", {} emoji", ", {}"]
PRAISE = [", high quality", ", detailed", ", clip art", ", flat design", ", simple", ", cute", ", masterpiece, best quality"]


def caption(record, background, rng):
    names = record["names"]
    name = rng.choice(names) if names and rng.random() < 0.4 else record["label"]
    colour = record["colour"]
    if colour and rng.random() < 0.15 and colour not in name:
        name = f"{colour} {name}"
    text = rng.choice(SHAPES).format(name)
    text = re.sub(r"\ba (?=[aeio])", "an ", text)
    if background == "white":
        text += rng.choice(ON).format(background) if rng.random() < 0.2 else ""
    elif rng.random() < 0.9:
        text += rng.choice(ON).format(background)
    if rng.random() < 0.35:
        text += rng.choice(STYLE).format(record["style"])
    if record["tags"] and rng.random() < 0.2:
        text += ", " + ", ".join(rng.sample(record["tags"], min(2, len(record["tags"]))))
    if rng.random() < 0.12:
        text += rng.choice(PRAISE)
    return text
