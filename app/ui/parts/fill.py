"""From an infotext to the page's fields: every setting that a picture tells, and a sentence for each that could not be kept."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from app.metadata import Restored, params_from_infotext, params_of_chunk, read_text
from app.models.catalog import Catalog
from app.models.facts import ModelFile
from app.schema.errors import UnknownName
from app.schema.params import GenerationParams, Mode, view_of
from app.schema.upscalers import DEFAULT_LATENT
from app.scripts import Script, ToldScript, told_script

FOLDED = tuple(name for name in GenerationParams.model_fields if view_of(name).section in ("hires", "refiner", "extras"))
"""Fields that a picture with settings puts back to their defaults where it does not tell them."""
_HASH = re.compile(r" ?\[([0-9a-f]{8,64})\]$")


@dataclass(frozen=True)
class Filling:
    """Values for fields by their schema name; fields that are not named keep what they hold."""

    values: Mapping[str, object]
    is_whole: bool
    """Whether the text told settings, not a prompt alone."""
    checkpoint: ModelFile | None
    """The checkpoint that made the picture, if it is here."""
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    script: ToldScript | None = None
    """The script that the picture names, if the tab has it."""


def fill_from_infotext(
    text: str,
    catalog: Catalog,
    *,
    leave: Collection[str] = (),
    chunk: str = "",
    scripts: Iterable[Script] = (),
    mode: Mode = "txt2img",
) -> Filling:
    """Reads an infotext, another program's settings or a bare prompt for a generation tab.

    `leave` names fields that keep what they hold; `chunk` is the JSON that our own pictures have beside the text; `scripts` are those
    that the tab of this `mode` has.
    """
    record = read_text(text)
    restored = params_from_infotext(record.usable)
    values = {**restored.values, **_exactly(chunk)}
    apart = {"checkpoint", "mode", "init_images", "mask", "latent_mask", *leave}
    values = {name: value for name, value in values.items() if name not in apart}
    is_whole = "steps" in restored.values
    if is_whole:
        # Its silence means that they were not used.
        values = {name: getattr(GenerationParams(), name) for name in FOLDED if name not in leave} | values
        values["exact"] = True  # to be made again, byte for byte, whoever else is using the engine
    checkpoint, warning = (None, None) if "checkpoint" in leave else find_checkpoint(restored, catalog)
    told = record.recipe.warnings if record.recipe is not None else ()
    warnings = (*told, *restored.warnings, *((warning,) if warning else ()), *_further_checkpoints(values, catalog))
    values |= {name: empty for name, empty in (("hr_upscaler", DEFAULT_LATENT), ("hr_cfg", 0)) if name in values and not values[name]}
    script = told_script(restored.extras, scripts, mode)
    warnings += script.warnings if script else ()
    return Filling(values, is_whole, checkpoint, warnings, _unused(restored, script.labels if script else ()), script)


def _exactly(chunk: str) -> dict[str, object]:
    """Settings that an infotext has no words for."""
    params = params_of_chunk(chunk) if chunk else None
    return {} if params is None else params.model_dump(exclude={"batch_size", "n_iter", "exact", "quiet"})


_FURTHER = (("refiner_checkpoint", "refiner"), ("hr_checkpoint", "hires checkpoint"), ("text_encoder", "text encoder"))


def _further_checkpoints(values: dict[str, object], catalog: Catalog) -> list[str]:
    """Puts the names that files have here in the place of `name [hash]`; a sentence for each that is not here."""
    warnings = []
    for name, what in _FURTHER:
        told = str(values.get(name) or "")
        digits = _HASH.search(told)
        try:
            found = (catalog.by_hash(digits[1]) if digits else None) or (catalog.find(_HASH.sub("", told)) if told else None)
        except UnknownName:
            found = None
            warnings.append(f"The {what} {told} of the picture is not here, so the picture will differ.")
        if name in values:
            values[name] = found.filename if found else ""
    return warnings


def find_checkpoint(restored: Restored, catalog: Catalog) -> tuple[ModelFile | None, str | None]:
    """The checkpoint by its hash, else by its name; and a sentence if it is not here, or only one of that name is."""
    wanted = " ".join(part for part in (restored.model_name, f"[{restored.model_hash}]" if restored.model_hash else "") if part)
    if not wanted:
        return None, None
    if restored.model_hash and (found := catalog.by_hash(restored.model_hash)) is not None:
        return found, None
    named = None
    if restored.model_name:
        try:
            named = catalog.find(restored.model_name)
        except UnknownName:
            named = None
    if named is None:
        return None, f"The picture was made with the checkpoint {wanted}, which is not here. The chosen one stays."
    if restored.model_hash and named.sha256 and not named.sha256.startswith(restored.model_hash):
        other = f"the checkpoint of that name here is another file ({named.short_hash})"
        return named, f"The picture was made with {wanted}; {other}, so the picture may differ."
    return named, None


def _unused(restored: Restored, used: Collection[str]) -> tuple[str, ...]:
    """One sentence that names the settings nothing here takes."""
    left = [label for label in restored.extras if label not in used]
    if not left:
        return ()
    return (f"Not used here: {', '.join(left[:8])}{' …' if len(left) > 8 else ''}.",)
