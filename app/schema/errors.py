"""The one family of errors that a person can put right; everything else is a bug and answers as one."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import ClassVar

SHOWN_CHARS = 320
"""About how long a list of names in an error may get."""


SHOWN_NAME_CHARS = 100


def shown(name: str) -> str:
    """A name that somebody sent, as an answer repeats it: the beginning of a long one."""
    return name if len(name) <= SHOWN_NAME_CHARS else name[:SHOWN_NAME_CHARS] + "..."


class DarkroomError(Exception):
    """Something the user can put right: the message names the thing and the remedy, in one or two sentences.

    `code` is for programs, `status` is the HTTP status at the edge. `name` is what A1111's four-key error body carries
    in its `error` key, where that differs from our class's name.
    """

    code: ClassVar[str] = "bad_request"
    status: ClassVar[int] = 400


class InvalidParams(DarkroomError):
    """A generation setting is out of its range or does not fit another one."""

    code = "invalid_params"
    status = 422


class UnknownName(DarkroomError):
    """A name (checkpoint, sampler, style, option ...) that nothing here has; says what comes nearest."""

    code = "unknown_name"
    status = 404

    def __init__(self, kind: str, name: str, known: Collection[str]) -> None:
        name = shown(name)
        near = get_close_matches(name, known, n=3)
        whole = ", ".join(sorted(known))
        listed = whole if len(whole) <= SHOWN_CHARS else whole[:SHOWN_CHARS].rpartition(", ")[0] + f" ... ({len(known)} in all)"
        hint = f" Did you mean {' or '.join(near)}?" if near else (f" Known: {listed}." if known else "")
        super().__init__(f"There is no {kind} {name!r}.{hint}")
        self.kind, self.name = kind, name


class BadModelFile(DarkroomError):
    """A model file that is truncated, of an unknown layout, or that asks to run code."""

    code = "bad_model_file"
    status = 422


class NoPicture(DarkroomError):
    """The networks gave numbers that are no picture: not finite."""

    code = "no_picture"
    status = 422


class BadPicture(DarkroomError):
    """Bytes that are no picture, or a picture over the limits."""

    code = "bad_picture"
    status = 422


class NotSupported(DarkroomError):
    """A known setting whose feature is not there yet, asked for at another value than its default."""

    code = "not_supported"
    status = 422


class TooLarge(DarkroomError):
    """A request, prompt or file over its size limit."""

    code = "too_large"
    status = 413


class NotFound(DarkroomError):
    """A job or picture id that is not known, or is somebody else's."""

    code = "not_found"
    status = 404


class EngineStopped(DarkroomError):
    """The engine is shutting down or has died; the job is kept."""

    code = "engine_stopped"
    status = 503
