"""A1111's infotext, the common tongue: prompt, negative prompt and one line of settings, written and read."""

import json
import re
from collections.abc import Sequence

from app.metadata.compat import added_fields
from app.metadata.styles import Style, cut_styles
from app.schema.hires import old_first_pass_size

NEGATIVE = "Negative prompt:"
MIN_FIELDS = 3
"""A last line with fewer settings than this is part of the prompt."""
MAX_SIDE_DIGITS = 9

# Possessive, and never starting inside a run of key characters: the time stays linear for a line of any length.
_PAIR = re.compile(r"""(?<![\w \-/])[ \-/]*+(\w[\w \-/]++):\s*+("(?:\\.|[^\\"])++"(?=,|$)|[^,]*+)""")
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})")


def quote(value: object) -> object:
    """The value as a settings line holds it: a JSON string if it has a comma, a colon or a new line, else itself."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",\n:") else value


def unquote(text: str) -> str:
    """The value that `quote` was given; text that is no well-formed JSON string stays as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    try:
        return clean(json.loads(text))
    except ValueError:
        return text


def clean(text: str) -> str:
    """The text without NULs and with half surrogates replaced: what every encoding and every reader can bear."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "")


def format_infotext(prompt: str, negative: str, fields: Sequence[tuple[str, object]]) -> str:
    """The text that A1111 puts into a picture; fields whose value is None are left out, an empty negative prompt too."""
    settings = ", ".join(f"{label}: {quote(value)}" for label, value in fields if value is not None)
    middle = f"\n{NEGATIVE} {negative}" if negative else ""
    return clean(f"{prompt}{middle}\n{settings}".strip())


def split_infotext(text: str) -> tuple[str, str, list[tuple[str, str]]]:
    """(prompt, negative prompt, pairs of label and unquoted value in their order) as A1111 splits them."""
    lines = clean(text).strip().split("\n")
    pairs = [(pair[1], unquote(pair[2])) for pair in _PAIR.finditer(lines[-1])]
    if len(pairs) < MIN_FIELDS:
        pairs = []
    else:
        lines.pop()
    texts: list[list[str]] = [[], []]
    negative = 0
    for line in (line.strip() for line in lines):
        if line.startswith(NEGATIVE):
            negative, line = 1, line.removeprefix(NEGATIVE).strip()
        if line or any(texts[negative]):  # empty lines count only after some text
            texts[negative].append(line)
    return "\n".join(texts[0]), "\n".join(texts[1]), pairs


def parse_infotext(text: str, styles: Sequence[Style] = ()) -> dict[str, object]:
    """The dictionary that A1111 fills its page from: what the text says, known styles cut out, absent fields added.

    Values from the text are texts (`WxH` becomes two, `Size-1` and `Size-2`); added ones may be numbers or booleans.
    """
    prompt, negative, pairs = split_infotext(text)
    fields: dict[str, object] = {}
    for label, value in pairs:
        size = _SIZE.fullmatch(value)
        fields.update({f"{label}-1": size[1], f"{label}-2": size[2]} if size else {label: value})
    prompt, negative = _take_styles(fields, prompt, negative, styles)
    _modernise_hires(fields)
    added = added_fields(fields, prompt, negative)
    if "Hypernet" in fields:  # of 2022: a choice beside the prompt, not yet a tag in it
        prompt += f"<hypernet:{fields['Hypernet']}:{fields.get('Hypernet strength', '1.0')}>"
    return fields | {"Prompt": prompt, "Negative prompt": negative} | added


def _take_styles(fields: dict[str, object], prompt: str, negative: str, styles: Sequence[Style]) -> tuple[str, str]:
    """Both prompts without the known styles; those of the hires pass too, or nothing if their styles are others."""
    names, bare, bare_negative = cut_styles(prompt, negative, styles)
    if not names:
        return prompt, negative
    if "Hires prompt" in fields or "Hires negative prompt" in fields:
        second = str(fields.get("Hires prompt", prompt)), str(fields.get("Hires negative prompt", negative))
        hires_names, *hires = cut_styles(*second, styles)
        if hires_names != names:
            return prompt, negative
        for label, text, same in zip(("Hires prompt", "Hires negative prompt"), hires, (bare, bare_negative), strict=True):
            fields[label] = "" if text == same else text
    fields["Styles array"] = names
    return bare, bare_negative


def _modernise_hires(fields: dict[str, object]) -> None:
    """The hires fix of 2022 said the final size and the first pass; since then it is the first pass and the final size."""
    if "First pass size-1" not in fields:
        return
    width, height = _side(fields.get("Size-1", 512)), _side(fields.get("Size-2", 512))
    first_width, first_height = _side(fields["First pass size-1"]), _side(fields.get("First pass size-2"))
    if width is None or height is None or first_width is None or first_height is None:
        return  # not what that program wrote; the fields stay as they are
    if not first_width or not first_height:
        first_width, first_height = old_first_pass_size(width, height)
    fields |= {"Size-1": first_width, "Size-2": first_height, "Hires resize-1": width, "Hires resize-2": height}


def _side(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) <= MAX_SIDE_DIGITS else None
