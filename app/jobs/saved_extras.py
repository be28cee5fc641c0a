"""Pictures that the Extras tab has enlarged: files in a folder of their own, and in the gallery."""

from app.jobs.files import Outputs
from app.jobs.options import OptionsView
from app.jobs.pictures import OnSaved
from app.jobs.placing import extras_place


class SavedExtras:
    """Where enlarged pictures go."""

    def __init__(self, outputs: Outputs, on_saved: OnSaved | None = None) -> None:
        self._outputs, self._on_saved = outputs, on_saved

    def keep(self, data: bytes, kind: str, options: OptionsView, *, client: str, original: str = "", folder: str = "") -> str:
        """Saves a file of that format; its path below the outputs folder. DiskFull or CannotSave leaves nothing behind.

        `original` and `folder` as in `extras_place`. A file that is there is never replaced.
        """
        path = self._outputs.save_in(*extras_place(self._outputs.root, options, f".{kind}", original=original, folder=folder), data)
        if self._on_saved is not None:
            self._on_saved(path, data, client)
        return self._outputs.relative(path)
