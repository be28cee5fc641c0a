"""Dialects: how each program writes a picture's settings. Every one of them is brought to A1111's infotext.

A new dialect is a file here and a line in `DIALECTS`; an extension's is given to `read_recipe`.
"""

from collections.abc import Sequence
from typing import Protocol

from app.metadata.dialects.a1111 import A1111, Elsewhere, PlainText
from app.metadata.dialects.civitai import Civitai
from app.metadata.dialects.comfyui import ComfyUI
from app.metadata.dialects.drawthings import DrawThings
from app.metadata.dialects.easy_diffusion import EasyDiffusion
from app.metadata.dialects.file_names import FileNames
from app.metadata.dialects.fooocus import Fooocus
from app.metadata.dialects.huggingface import HuggingFace
from app.metadata.dialects.invokeai import InvokeAI
from app.metadata.dialects.mochi import Mochi
from app.metadata.dialects.novelai import NovelAI
from app.metadata.dialects.others import Midjourney, Sygil
from app.metadata.dialects.stability_matrix import StabilityMatrix, TensorArt
from app.metadata.dialects.swarmui import SwarmUI
from app.metadata.dialects.webui_extension import WebuiExtension
from app.metadata.record import PictureRecord, Recipe


class Dialect(Protocol):
    """One program's way to write settings."""

    name: str

    def parse(self, record: PictureRecord) -> Recipe | None:
        """What the record says; None if it is another program's picture, or ours is unreadable."""
        ...


DIALECTS: tuple[Dialect, ...] = (
    NovelAI(),
    InvokeAI(),
    SwarmUI(),
    TensorArt(),
    Fooocus(),
    StabilityMatrix(),
    EasyDiffusion(),
    HuggingFace(),
    Civitai(),
    Sygil(),
    WebuiExtension(),
    A1111(),
    ComfyUI(),
    DrawThings(),
    Mochi(),
    Midjourney(),
    Elsewhere(),
    PlainText(),
    FileNames(),
)
"""From strict to lax: the first one that knows a record is believed."""


def read_recipe(record: PictureRecord, dialects: Sequence[Dialect] = DIALECTS) -> Recipe | None:
    """What the first dialect that knows the record makes of it; None if none does."""
    for dialect in dialects:
        try:
            recipe = dialect.parse(record)
        except RecursionError:  # JSON nested deeper than any program's: nobody's dialect
            continue
        if recipe is not None:
            return recipe
    return None
