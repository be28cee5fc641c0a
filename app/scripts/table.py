"""The table of selectable scripts: those that come with Darkroom, and room for more."""

from collections.abc import Iterable

from app.schema.params import Mode
from app.scripts.alternative_test import ALTERNATIVE_TEST
from app.scripts.loopback import LOOPBACK
from app.scripts.outpainting_mk2 import OUTPAINTING_MK2
from app.scripts.poor_mans_outpainting import POOR_MANS_OUTPAINTING
from app.scripts.prompt_matrix import PROMPT_MATRIX
from app.scripts.prompts_from_file import PROMPTS_FROM_FILE
from app.scripts.script import Script
from app.scripts.sd_upscale import SD_UPSCALE
from app.scripts.xyz_plot import XYZ_PLOT

BUILT_IN: tuple[Script, ...] = (
    ALTERNATIVE_TEST,
    LOOPBACK,
    OUTPAINTING_MK2,
    POOR_MANS_OUTPAINTING,
    PROMPT_MATRIX,
    PROMPTS_FROM_FILE,
    SD_UPSCALE,
    XYZ_PLOT,
)
"""In A1111's order."""


class ScriptTable:
    """Scripts by name, whatever its case."""

    def __init__(self, scripts: Iterable[Script] = BUILT_IN) -> None:
        self._scripts = tuple(scripts)

    def find(self, name: str, mode: Mode | None = None) -> Script | None:
        """The script of that name, for that mode."""
        wanted = name.strip().lower()
        return next((script for script in self._scripts if script.name == wanted and mode in (None, *script.modes)), None)

    def of(self, mode: Mode) -> tuple[Script, ...]:
        """The scripts of a mode."""
        return tuple(script for script in self._scripts if mode in script.modes)

    def and_also(self, *scripts: Script) -> "ScriptTable":
        """A table with further scripts; one of a known name takes that one's place."""
        names = {script.name for script in scripts}
        return ScriptTable([*(script for script in self._scripts if script.name not in names), *scripts])
