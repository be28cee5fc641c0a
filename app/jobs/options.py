"""The options an owner sets while the server runs: A1111's names, kept in config.json, and views of them for one request."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from itertools import count
from pathlib import Path
from threading import Lock

from app.jobs.files import explained, replace_file
from app.schema.disk import CannotSave
from app.schema.errors import DarkroomError
from app.schema.options import OptionValue, accept_value, default_values, find_option, option_table
from app.schema.params import GenerationParams, view_of
from app.schema.regular_files import open_regular

log = logging.getLogger(__name__)

CheckCheckpoint = Callable[[str], str]
"""From what was posted for a checkpoint to the name that is stored; raises UnknownName."""
CHECKPOINT = "sd_model_checkpoint"
TEXT_ENCODER = "sd_text_encoder"


class OptionsView(Mapping[str, OptionValue]):
    """The options as one request sees them: a snapshot that later changes do not reach and that changes nothing."""

    def __init__(self, values: Mapping[str, OptionValue], overrides: Mapping[str, OptionValue]) -> None:
        self._values = {**values, **overrides}
        self.overrides: dict[str, OptionValue] = dict(overrides)
        """What the request set for itself alone, as far as it differs."""

    def __getitem__(self, name: str) -> OptionValue:
        return deepcopy(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def switch(self, name: str) -> bool:
        """A yes-or-no option."""
        return bool(self._values[name])

    def number(self, name: str) -> float:
        """A number option; 0 for one that is no number."""
        value = self._values[name]
        return value if isinstance(value, int | float) else 0

    def text(self, name: str) -> str:
        """A text option; empty for an absent one."""
        value = self._values[name]
        return value if isinstance(value, str) else ""

    def apply_to(self, values: Mapping[str, object]) -> dict[str, object]:
        """Loose values of GenerationParams with those that an option stands for filled in where they are absent or empty."""
        filled = dict(values)
        for field in GenerationParams.model_fields:
            option = view_of(field).option
            if option is not None and filled.get(field) in (None, ""):
                filled[field] = self[option]
        return filled


class OptionsStore:
    """config.json: entries it does not know, or does not support yet, stay in the file as they are."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._file = _read(path)
        self._watchers: list[Callable[[], None]] = []
        self._values = default_values()
        for name, value in self._file.items():
            if name in option_table():
                self._load(name, value)

    def on_change(self, watcher: Callable[[], None]) -> None:
        """Calls `watcher` after every change, in the thread that made it."""
        self._watchers.append(watcher)

    def get_all(self) -> dict[str, OptionValue]:
        """All of A1111's options, a fresh dict."""
        with self._lock:
            return deepcopy(self._values)

    def get(self, name: str) -> OptionValue:
        """One option; UnknownName if A1111 has none of that name."""
        find_option(name)
        with self._lock:
            return deepcopy(self._values[name])

    def view(self) -> OptionsView:
        """The options as they are now."""
        return OptionsView(self.get_all(), {})

    def override(self, values: Mapping[str, object]) -> OptionsView:
        """The options as a request with these `override_settings` sees them; raises as `set_many`, and sets nothing.

        A checkpoint's name is taken as it is: whoever resolves the job's params looks it up.
        """
        current = self.get_all()
        return OptionsView(current, _accept(values, current, None))

    def set_many(self, values: Mapping[str, object], *, check_checkpoint: CheckCheckpoint | None = None) -> dict[str, OptionValue]:
        """Sets all of them or, if one is refused, none; what changed, by name. On the disk when it returns.

        UnknownName, InvalidParams (wrong kind or range), NotSupported (kept at its default), CannotSave.
        """
        with self._lock:
            changed = _accept(values, self._values, check_checkpoint)
            if changed:
                file = {**self._file, **changed}
                with explained("the options"):
                    replace_file(self._path, json.dumps(file, indent=4).encode())
                self._file = file
                self._values |= deepcopy(changed)
        for watcher in self._watchers if changed else ():
            watcher()
        return deepcopy(changed)

    def _load(self, name: str, value: object) -> None:
        option = find_option(name)
        try:
            self._values[name] = accept_value(option, value, self._values[name])
        except DarkroomError as error:
            # A config.json that A1111 wrote has many of these; they stay in the file for it.
            log.warning("%s: %s", self._path.name, error)


def _accept(
    values: Mapping[str, object], current: Mapping[str, OptionValue], check_checkpoint: CheckCheckpoint | None
) -> dict[str, OptionValue]:
    """Those of `values` that are allowed and differ from `current`."""
    changed: dict[str, OptionValue] = {}
    for name, value in values.items():
        accepted = accept_value(find_option(name), value, current[name])
        if name == CHECKPOINT and check_checkpoint and isinstance(accepted, str) and accepted not in ("", current[name]):
            accepted = check_checkpoint(accepted)
        if accepted != current[name]:
            changed[name] = accepted
    return changed


def _read(path: Path) -> dict[str, object]:
    """The file's entries; one that is no JSON object is set aside, all options are at their defaults. CannotSave if it cannot be opened."""
    try:
        with open_regular(path) as file:
            content = json.load(file)
        if isinstance(content, dict):
            return content
        reason = "it holds no JSON object"
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CannotSave(f"{path.name} in the data folder cannot be used: {error.strerror or error}. It holds the options.") from error
    except ValueError as error:  # no JSON, no UTF-8
        reason = str(error)
    aside = next(other for n in count(1) if not (other := path.with_name(f"{path.stem}.damaged-{n}{path.suffix}")).exists())
    path.rename(aside)
    log.warning("%s could not be read (%s); it is now %s, and all options are at their defaults", path.name, reason, aside.name)
    return {}
