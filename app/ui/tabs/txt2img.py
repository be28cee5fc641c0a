"""The txt2img tab."""

from collections.abc import Sequence

from app.scripts import ScriptTable
from app.ui.parts.generation import GenerationTab, build_generation
from app.ui.parts.start import StartValues


def build_txt2img(start: StartValues, styles: Sequence[str], scripts: ScriptTable) -> GenerationTab:
    """From a prompt alone."""
    return build_generation("txt2img", start, styles, scripts)
