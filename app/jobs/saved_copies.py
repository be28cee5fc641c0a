"""Pictures that somebody chose to keep with A1111's Save button: copies in a folder of their own, and a table of their settings."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from app.jobs.files import FileName, Outputs, explained
from app.jobs.views import PictureView
from app.metadata import params_from_infotext

LOG_NAME = "log.csv"
COLUMNS = (
    "prompt", "seed", "width", "height", "sampler", "cfgs", "steps", "filename", "negative_prompt", "sd_model_name", "sd_model_hash",
)  # fmt: skip
"""A1111's."""


class SavedCopies:
    """The folder `log/images`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._outputs, self._lock = Outputs(folder), Lock()

    def keep(self, pictures: Sequence[tuple[PictureView, bytes]], *, in_log: bool) -> list[str]:
        """Copies of the pictures under the folder's next numbers, their names; DiskFull or CannotSave if one cannot be written.

        `in_log`: each gets a line in `log.csv`, too.
        """
        names = []
        for view, data in pictures:
            path = self._outputs.save_in(self.folder, FileName(stem=str(view.seed), suffix=f".{view.format}"), data)
            names.append(path.name)
            if in_log:
                self._note(path.name, view)
        return names

    def _note(self, name: str, view: PictureView) -> None:
        log = self.folder / LOG_NAME
        with self._lock, explained("log.csv"):
            is_new = not log.exists()
            lines = io.StringIO()
            writer = csv.DictWriter(lines, COLUMNS)
            if is_new:
                writer.writeheader()
            writer.writerow(_row(name, view))
            with log.open("ab") as file:
                file.write(lines.getvalue().encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())


def _row(name: str, view: PictureView) -> Mapping[str, object]:
    """A picture's line, by the column's name."""
    restored = params_from_infotext(view.infotext)
    values = restored.values
    said = {"prompt": "prompt", "sampler": "sampler", "cfgs": "cfg_scale", "steps": "steps", "negative_prompt": "negative_prompt"}
    size = {"seed": view.seed, "width": view.width, "height": view.height, "filename": name}
    model = {"sd_model_name": restored.model_name, "sd_model_hash": restored.model_hash}
    return {**{column: values.get(field, "") for column, field in said.items()}, **size, **model}
