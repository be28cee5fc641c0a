"""How near a picture can be made again here: exact, close or partial, and why."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from app.metadata import PictureRecord, Restored
from app.metadata.compat import a1111_version
from app.metadata.fields import ORDER, VERSION_TEXT
from app.scripts import ToldScript
from app.ui.parts.resources import Resource

Level = Literal["exact", "close", "partial"]
_SAME_PIXELS = ("a1111", "")
"""Dialects whose pictures come out alike here: ours and A1111's."""
_NEEDED = {"prompt": "prompt", "steps": "steps", "sampler": "sampler", "cfg_scale": "CFG scale", "seed": "seed", "width": "size"}
_SAID_ONLY = frozenset(
    {"Version", "Hashes", "Lora hashes", "TI hashes", "TI", "VAE hash", "Created Date", "Model hash", "App", "User", "Template", "VAE"}
    | {"Negative Template", "Hires upscaler", "Refiner", "Hires checkpoint"}
)
"""Labels that say something of a picture and change nothing in it, and those that the list of files speaks of."""
_NAMED = 6


@dataclass(frozen=True)
class Verdict:
    """The word, and one sentence for each reason that it is no better."""

    level: Level
    reasons: tuple[str, ...]


def verdict_of(record: PictureRecord, restored: Restored, resources: Sequence[Resource], script: ToldScript | None = None) -> Verdict:
    """What to expect when the settings are used here; `script` is what made the picture out of several."""
    partial = [*_lacking(restored), *(f"{one.kind} {one.name} is not here." for one in resources if one.state == "missing")]
    partial += [sentence for sentence in restored.warnings if "not known here" in sentence or "left out" in sentence]
    mine, others = _unused(restored, script.labels if script else ())
    if script is not None:
        partial.append(f"It is a grid ({script.script.title}), of which the first picture is made again; a tab's Script makes all of it.")
    if mine:
        partial.append(f"Not done here: {_listed(mine)}.")
    if "denoising_strength" in restored.values and not any(label.startswith("Hires ") for label in (*restored.extras, *_hires(restored))):
        partial.append("It was made from another picture, which is not in the file.")
    close = [f"{one.kind} {one.name} here is another file." for one in resources if one.state == "other file"]
    close += [f"{one.kind} {one.name} was found by its name only." for one in resources if one.state == "by name"]
    if (program := _other_program(record, restored)) is not None:
        close.append(program)
    if others:
        close.append(f"Means nothing here: {_listed(others)}.")
    if record.recipe is not None:
        close += record.recipe.warnings
    reasons = tuple(dict.fromkeys([*partial, *close]))
    return Verdict("partial" if partial else "close" if close else "exact", reasons)


def _lacking(restored: Restored) -> list[str]:
    lacking = [words for name, words in _NEEDED.items() if name not in restored.values and words != "prompt"]
    lacking += [] if restored.model_name or restored.model_hash else ["checkpoint"]
    return [f"The picture does not tell its {', '.join(lacking)}."] if lacking else []


def _hires(restored: Restored) -> list[str]:
    return ["Hires upscale"] if restored.values.get("enable_hr") else []


def _unused(restored: Restored, taken: Collection[str]) -> tuple[list[str], list[str]]:
    """(labels of A1111's that change pictures and are not taken here, other programs' words)."""
    left = [label for label in restored.extras if label not in {*_SAID_ONLY, *taken} and not label.startswith(("Civitai ", "Raw "))]
    known = set(ORDER)
    changing = [label for label in left if label in known or label.startswith(("ControlNet", "ADetailer", "Hires "))]
    return changing, [label for label in left if label not in changing]


def _other_program(record: PictureRecord, restored: Restored) -> str | None:
    dialect = record.recipe.dialect if record.recipe is not None else ""
    ours = restored.version == VERSION_TEXT or restored.version.startswith("darkroom-") or a1111_version(restored.version) is not None
    if dialect not in _SAME_PIXELS:
        return f"It was made by another program ({dialect}), whose noise and arithmetic differ."
    return None if ours else "It does not tell which program or version made it."


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:_NAMED]) + (f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else "")
