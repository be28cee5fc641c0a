"""What A1111's reader adds to the fields of an infotext: defaults of absent ones, and switches that older versions need."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DEFAULTS: Mapping[str, object] = {
    "Clip skip": "1",
    "Hires resize-1": 0,
    "Hires resize-2": 0,
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": 32,
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": 0,
    "Schedule min sigma": 0,
    "Schedule rho": 0,
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Refiner switch by sampling steps": False,
}
"""Fields that the dictionary always has; the values' types are A1111's (text where its own table has text)."""

EMPHASIS_DEFAULT = ("Emphasis", "Original")
"""Added only where a prompt has weights: it says how they act."""

MAX_EMPHASIS_CHARS = 1_000_000

Version = tuple[int, int, int, int]


def a1111_version(text: str) -> Version | None:
    """(major, minor, patch, commits since) of `v1.7.0-224-g0123`; None for other programs' versions, which switch nothing on."""
    found = re.match(r"v(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-(\d{1,9}))?", text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]), int(found[4] or 0))


@dataclass(frozen=True, kw_only=True)
class Switch:
    """An option under which a newer A1111 paints what an older one painted."""

    field: str
    before: Version
    """First version that painted differently."""
    needed: Callable[[str, str, str], bool]
    """Whether it matters, from sampler name, prompt and negative prompt."""


def _edits(_sampler: str, prompt: str, negative: str) -> bool:
    """Whether a `[from:to:when]` stands in the prompts; before 1.6.0 the second pass counted `when` like the first."""
    return any(re.search(r":[ \t]{0,9}\d{0,9}\.?\d{1,9}[ \t]{0,9}\]", text) for text in (prompt, negative))


SWITCHES = (
    Switch(field="Old prompt editing timelines", before=(1, 6, 0, 0), needed=_edits),
    # By A1111's author (issue 13066): enabled for files "with specified version below 1.6.0 and DDIM/PLMS sampler".
    Switch(field="Pad conds v0", before=(1, 6, 0, 0), needed=lambda sampler, _prompt, _negative: sampler in ("DDIM", "PLMS")),
    # v1.7.0-224 is the last version that is known to need it, v1.8.0 the first that is known not to.
    Switch(field="Downcast alphas_cumprod", before=(1, 7, 0, 225), needed=lambda _sampler, _prompt, _negative: True),
)


def added_fields(fields: Mapping[str, object], prompt: str, negative: str) -> dict[str, object]:
    """Everything that A1111's reader adds to `fields`: defaults, the meaning of weights, switches for an old version."""
    added = {name: value for name, value in DEFAULTS.items() if name not in fields}
    name, value = EMPHASIS_DEFAULT
    if name not in fields and (uses_emphasis(prompt) or uses_emphasis(negative)):
        added[name] = value
    version = a1111_version(str(fields.get("Version", "")))
    for switch in SWITCHES:
        if version is not None and version < switch.before and switch.needed(str(fields.get("Sampler", "")), prompt, negative):
            added.setdefault(switch.field, True)
    return added


_TOKEN = re.compile(r"\\.|[(\[\])\\]|:[ \t]{0,99}([+-]?[.\d]{1,99})[ \t]{0,99}\)|[^\\()\[\]:]+|:", re.DOTALL)
_OPENED = {")": "(", "]": "["}


def uses_emphasis(text: str) -> bool:
    """Whether some words of the prompt have a weight other than 1; BREAK, escapes and `(x:1.0)` are no weights.

    One pass, whatever the nesting: two different weights anywhere settle it, because brackets around both multiply both.
    """
    frames: list[tuple[str, float | None]] = [("", None)]
    open_now = {"(": 0, "[": 0}
    for token in _TOKEN.finditer(text, 0, MAX_EMPHASIS_CHARS):
        piece, number = token[0], token[1]
        if piece in open_now:
            frames.append((piece, None))
            open_now[piece] += 1
            continue
        opened = _OPENED.get(")" if number is not None else piece, "")
        weight: float | None = 1.0
        if open_now.get(opened):
            if frames[-1][0] != opened:
                return True  # brackets that overlap leave something weighted
            weight = _closed(frames.pop(), number)
            open_now[opened] -= 1
        elif piece == "\\":
            weight = None  # a lone backslash at the end is no text
        if _meet(frames, weight):
            return True
    while len(frames) > 1:  # a bracket that is never closed counts as closed at the end
        if _meet(frames, _closed(frames.pop(), None)):
            return True
    return frames[0][1] not in (None, 1.0)


def _closed(frame: tuple[str, float | None], number: str | None) -> float | None:
    """Weight of a bracket's text once it closes with `:number)` or plainly; None without text."""
    bracket, weight = frame
    if weight is None:
        return None
    try:
        return weight * (float(number) if number is not None else 1.1 if bracket == "(" else 1 / 1.1)
    except ValueError:  # 1.2.3
        return weight * 1.1


def _meet(frames: list[tuple[str, float | None]], weight: float | None) -> bool:
    """Adds text of a weight to the innermost bracket; True where it meets text of another weight."""
    bracket, other = frames[-1]
    if weight is not None and other is not None and weight != other:
        return True
    frames[-1] = (bracket, other if weight is None else weight)
    return False
