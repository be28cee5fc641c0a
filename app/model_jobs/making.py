"""New model files from model files: `app.conversion`, with names looked up and the result put into its folder."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from app.model_jobs.actions import Convert, Merge
from app.model_jobs.shelf import Shelf
from app.model_jobs.task import Done, Report, Task
from app.models import ModelFile, yaml_beside
from app.models.library.details import read_details
from app.schema.block_weights import parse_weights
from app.schema.conversion import ConfigSource
from app.schema.disk import partial_of
from app.schema.errors import BadModelFile, InvalidParams
from app.schema.name_pattern import found_by


def convert(action: Convert, shelf: Shelf) -> Task:
    """Another file of the same model."""
    source, vae = shelf.find(action.kind, action.filename), shelf.vae(action.bake_in_vae)
    if vae is not None and action.kind != "checkpoint":
        raise InvalidParams(f"bake_in_vae is for checkpoints; {source.filename} is none.")
    _check_sound([source] if vae is None else [source, vae])
    target = shelf.new_file(action.kind, action.name, action.folder)

    def run(report: Report) -> Done:
        from app import conversion  # torch comes with it, when it is needed first

        wanted = conversion.Conversion(
            source=source.path, target=target, numbers=action.numbers, averaged=action.averaged, vae=vae.path if vae else None
        )
        return _written(target, [source], conversion.convert(wanted, report))

    return Task(title=f"Convert {source.filename} into {target.name}", run=run, makes=target)


def merge(action: Merge, shelf: Shelf) -> Task:
    """A mixture of checkpoints, and LoRAs in it."""
    found_by(action.discard_weights)
    weights = parse_weights(action.multiplier, action.block_weights)
    names = (action.primary_model_name, action.secondary_model_name, action.tertiary_model_name)
    wanted = {"No interpolation": 1, "Weighted sum": 2, "Add difference": 3}[action.interp_method]
    files = [shelf.find("checkpoint", name) for name in names[:wanted]]
    _check_family(files)
    loras = [(shelf.find("lora", lora.name), lora.weight) for lora in action.loras]
    vae = shelf.vae(action.bake_in_vae)
    _check_sound([*files, *(lora for lora, _ in loras), *([vae] if vae is not None else [])])
    target = shelf.new_file("checkpoint", action.custom_name.strip() or _usual_name(action, files), action.folder)

    def run(report: Report) -> Done:
        from app import conversion

        first, second, third = [file.path for file in files] + [None] * (3 - len(files))
        assert first is not None
        every = [*files, *(lora for lora, _ in loras)]
        recipe = conversion.Merge(
            primary=first, secondary=second, tertiary=third, target=target, method=action.interp_method,
            weights=weights, numbers=action.format, vae=vae.path if vae else None,
            discard=action.discard_weights, loras=tuple(conversion.AddedLora(lora.path, weight) for lora, weight in loras),
            recipe=action.save_metadata, sha256s={file.path: file.sha256 for file in every if file.sha256},
        )  # fmt: skip
        broken = conversion.merge(recipe, report)
        _copy_config(action.config_source, files, target)
        return _written(target, every, broken)

    mixed = " and ".join(file.name for file in (*files, *(lora for lora, _ in loras)))
    return Task(title=f"Merge {mixed} into {target.name}", run=run, makes=target)


def _check_sound(files: Sequence[ModelFile]) -> None:
    """BadModelFile for one of which it is known that it cannot be used: what came of it could not be used either."""
    for file in files:
        if problem := file.problem or read_details(file).problem:
            raise BadModelFile(f"{file.filename}: {problem}")


def _check_family(files: Sequence[ModelFile]) -> None:
    """As far as the headers tell; shapes are compared when the files are opened."""
    known = [(file.filename, file.facts) for file in files if file.facts is not None]
    for (one, facts), (other, others) in pairwise(known):
        if facts.family != others.family:
            told = f"{one} is {facts.family_title}, {other} is {others.family_title}"
            raise InvalidParams(f"Only checkpoints of one family can be merged: {told}.")


def _usual_name(action: Merge, files: Sequence[ModelFile]) -> str:
    """What a mixture is called that nobody named, as A1111 has it."""
    share, names = round(action.multiplier, 2), [file.name for file in files]
    usual = {
        "Weighted sum": lambda: f"{round(1 - share, 2)}({names[0]}) + {share}({names[1]})",
        "Add difference": lambda: f"{names[0]} + {share}({names[1]} - {names[2]})",
        "No interpolation": lambda: names[0],
    }[action.interp_method]()
    return " + ".join([usual, *(f"{lora.weight:g}({Path(lora.name).stem})" for lora in action.loras)])


def _copy_config(source: ConfigSource, files: Sequence[ModelFile], target: Path) -> None:
    """A yaml beside one of the files, where there is one and none beside the new file."""
    places = {"A, B or C": range(3), "B": (1,), "C": (2,), "Don't": ()}[source]
    found = next((yaml for place in places if place < len(files) and (yaml := yaml_beside(files[place].path)) is not None), None)
    if found is None or target.with_suffix(".yaml").exists():
        return
    hidden = partial_of(target.with_suffix(".yaml"))
    with suppress(OSError):  # the file itself says how it was trained
        shutil.copyfile(found, hidden)
        hidden.replace(target.with_suffix(".yaml"))


def _written(target: Path, sources: Sequence[ModelFile], broken: Sequence[str]) -> Done:
    made_of = ", ".join(file.filename for file in sources)
    summary = f"{target.name} was written ({target.stat().st_size / 1e6:,.1f} MB) from {made_of}."
    if broken:
        count = "One of its tensors has" if len(broken) == 1 else f"{len(broken)} of its tensors have"
        summary += f" {count} numbers that are not finite (NaN or too large for the number format), {broken[0]} first: it may draw black."
    return Done(summary=summary, file=target.name)
