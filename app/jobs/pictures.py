"""Finished pictures: their infotext, their file or place in memory, their row."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import uuid4

from app.engine.client import PictureDone, Pixels
from app.jobs.database import Database, JobRow
from app.jobs.files import CannotSave, Outputs
from app.jobs.memory import PictureMemory
from app.jobs.options import OptionsView
from app.jobs.views import PictureView
from app.metadata import encode_picture, format_infotext, infotext_fields
from app.schema.errors import NotFound

log = logging.getLogger(__name__)

LABEL_SWITCHES: Mapping[str, str] = MappingProxyType(
    {"Model": "add_model_name_to_info", "Model hash": "add_model_hash_to_info", "Version": "add_version_to_infotext"}
)
"""Infotext labels that an option can leave out."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A picture that can be asked for, and what kept it from the disk."""

    view: PictureView
    problem: CannotSave | None
    recorded: bool
    """Whether its row was written."""


class Pictures:
    """Where finished pictures go, and where their bytes come from."""

    def __init__(self, outputs: Outputs, memory: PictureMemory, database: Database) -> None:
        self._outputs, self._memory, self._database = outputs, memory, database

    def keep(self, row: JobRow, options: OptionsView, event: PictureDone, *, to_disk: bool) -> Kept:
        """Encodes a picture and puts it on the disk, or in memory where it is not to be saved or cannot be."""
        text = infotext_of(row, options, event)
        data, kind = _encode(event.pixels, text if options.switch("enable_pnginfo") else "", options)
        height, width = event.pixels.shape[:2]
        view = PictureView(
            id=uuid4().hex,
            job=row.id,
            number=event.index,
            seed=event.seed,
            path=None,
            format=kind,
            width=width,
            height=height,
            infotext=text,
        )
        problem = None
        if to_disk:
            try:
                view = replace(view, path=self._outputs.save(row.params.mode, event.seed, data, f".{kind}"))
            except CannotSave as error:
                problem = error
        if view.path is None:
            self._memory.put(view.id, data)
        recorded = True
        try:
            self._database.add_picture(view)
        except CannotSave as error:
            problem, recorded = problem or error, False
        if problem is not None:
            log.error("picture %d of job %s: %s", event.index, row.id, problem)
        return Kept(view=view, problem=problem, recorded=recorded)

    def data(self, view: PictureView) -> bytes:
        """The picture's file; NotFound once it was deleted, or dropped from memory."""
        if view.path is not None:
            return self._outputs.read(view.path)
        if (data := self._memory.get(view.id)) is None:
            raise NotFound("This picture was not saved and is no longer kept in memory; make it again from its settings.")
        return data


def _encode(pixels: Pixels, infotext: str, options: OptionsView) -> tuple[bytes, str]:
    """(file, format): in the format of the options, or as PNG where that one cannot hold a picture of this size."""
    kind, quality = options.text("samples_format"), int(options.number("jpeg_quality"))
    try:
        return encode_picture(pixels, infotext, kind, quality=quality, lossless=options.switch("webp_lossless")), kind
    except (OSError, ValueError) as error:
        log.warning("a %dx%d picture is saved as PNG: %s takes no such size (%s)", pixels.shape[1], pixels.shape[0], kind, error)
        return encode_picture(pixels, infotext, "png"), "png"


def infotext_of(row: JobRow, options: OptionsView, event: PictureDone) -> str:
    """The text that says how the picture was made, without the fields that the options leave out."""
    params = row.params
    fields = infotext_fields(
        params,
        seed=event.seed,
        model_name=event.model_name,
        model_hash=event.model_sha256[:10],
        index=event.index,
        extras=event.extras,
    )
    left_out = {label for label, option in LABEL_SWITCHES.items() if not options.switch(option)}
    return format_infotext(params.prompt, params.negative_prompt, [field for field in fields if field[0] not in left_out])
