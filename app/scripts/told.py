"""A script and its arguments, from what a picture says of itself: A1111's grids name the script that made them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.schema.errors import InvalidParams
from app.schema.params import Mode
from app.scripts.arguments import Value
from app.scripts.script import SCRIPT, Script


@dataclass(frozen=True, kw_only=True)
class ToldScript:
    """What a picture tells of its script."""

    script: Script
    values: Mapping[str, Value]
    """Arguments by name; those that no picture tells are left out."""
    labels: frozenset[str]
    """The infotext labels that have been read."""
    warnings: tuple[str, ...] = ()
    """One sentence for each argument that cannot be used here."""


def told_script(fields: Mapping[str, str], scripts: Iterable[Script], mode: Mode) -> ToldScript | None:
    """The script of a picture with these infotext fields; None where it names none, or one that is not among `scripts`."""
    script = next((each for each in scripts if each.title == fields.get(SCRIPT)), None)
    if script is None:
        return None
    values, labels, warnings = dict[str, Value](), {SCRIPT}, list[str]()
    for argument in script.arguments(mode):
        if not argument.told:
            continue
        if argument.told not in fields:
            values[argument.name] = argument.untold
            continue
        labels |= {argument.told, f"Fixed {argument.told}"}  # seeds that were drawn for -1
        try:
            values[argument.name] = argument.read(fields[argument.told])
        except InvalidParams as error:
            warnings.append(str(error))
    return ToldScript(script=script, values=values, labels=frozenset(labels & fields.keys()), warnings=tuple(warnings))
