"""Infotexts as programs other than A1111 write them, taken apart: unquoted JSON, lines behind the settings, lost line breaks."""

import json
import re
from dataclasses import dataclass, field

from app.metadata.infotext import MIN_FIELDS, NEGATIVE, split_infotext, unquote

_STEPS = "Steps: "
_JSON_FIELD = re.compile(r"(?:^|, ?)(\w[\w \-/]{1,60}): ?(?=[{\[])")
_GLUED_NEGATIVE = re.compile(r"\.?\s*Negative prompt: ")
_GLUED_STEPS = re.compile(r"(?:[.,]\s{0,9}|\s{1,9}|(?<![\w\s.,]))(?=Steps: \d{1,5}, (?:Sampler|CFG|Seed|Size)\b)")
_TEMPLATES = re.compile(r"(Template|Negative ?Template): ?", re.IGNORECASE)
_PAIR = re.compile(r"(?<![\w \-/])[ \-/]*+(\w[\w \-/]++):[ \t]*+(\"(?:\\.|[^\\\"])++\"(?=,|$)|[^,]*+)")
_LONE = (_STEPS, "Postprocess ", "Civitai metadata: ", "Civitai resources: ")
"""Beginnings of a line that is one of settings however few it has."""


@dataclass
class Split:
    """An infotext's parts; `fields` are in the order of the text, the first of two equal labels counts."""

    prompt: str
    negative: str
    fields: dict[str, str] = field(default_factory=dict)


def split_any(text: str) -> Split | None:
    """The parts of an infotext in any of the forms that are met; None for a text without settings."""
    text = text.strip("\x00\ufeff \t\r\n").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    place = next((index for index in range(len(lines) - 1, -1, -1) if lines[index].lstrip().startswith(_STEPS)), None)
    if place is None and (glued := _unglued(text)) != text:
        text, lines = glued, glued.split("\n")
        place = next((index for index in range(len(lines) - 1, -1, -1) if lines[index].startswith(_STEPS)), None)
    if place is None:
        place = len(lines) - 1
    line, json_fields = without_json("\n".join(lines[place:]) if "{" in lines[place] else lines[place].strip())
    behind = [] if "{" in lines[place] else lines[place + 1 :]
    line, *more = line.split("\n")
    found: dict[str, str] = {}
    for label, value in _PAIR.findall(line):
        found.setdefault(label.strip(), unquote(value.strip()))
    if len(found) + len(json_fields) < MIN_FIELDS and not lines[place].startswith(_LONE):
        return None
    before, templates = _without_templates(lines[:place])
    prompt, negative, _ = split_infotext("\n".join([*before, "Steps: 1, Seed: 1, Size: 8x8"]))
    found |= json_fields | templates
    for extra in (*behind, *more):
        label, colon, value = extra.partition(":")
        if colon and label.strip():
            found.setdefault(label.strip(), value.strip())
    return Split(prompt, negative, found)


def without_json(line: str) -> tuple[str, dict[str, str]]:
    """Takes `Label: {...}` and `Label: [...]` out of a settings line: they hold commas and colons, yet nobody quotes them."""
    decoder = json.JSONDecoder()
    found: dict[str, str] = {}
    kept, position = [], 0
    while match := _JSON_FIELD.search(line, position):
        try:
            _, end = decoder.raw_decode(line, match.end())
        except (ValueError, RecursionError):
            end = 0
        if end and line[end : end + 1] in ("", ",", "\n"):
            kept.append(line[position : match.start()])
            found[match[1]] = line[match.end() : end]
        else:
            end = match.end()
            kept.append(line[position:end])
        position = end
    return "".join([*kept, line[position:]]), found


def _unglued(text: str) -> str:
    """Gives a text that lost its line breaks (exiftool shows them as dots) those back that matter."""
    steps = None
    for steps in _GLUED_STEPS.finditer(text):  # noqa: B007  (the last one)
        pass
    if steps is None:
        return text
    head, tail = text[: steps.start()], text[steps.end() :]
    if not head.startswith(NEGATIVE):
        head = _GLUED_NEGATIVE.sub("\nNegative prompt: ", head, count=1)
    return f"{head}\n{tail}"


def _without_templates(lines: list[str]) -> tuple[list[str], dict[str, str]]:
    """SD.Next has the templates of dynamic prompts behind the negative prompt; they are no part of it."""
    if not any(line.startswith(NEGATIVE) for line in lines):
        return lines, {}
    start = next(index for index, line in enumerate(lines) if line.startswith(NEGATIVE))
    kept, found, current = lines[: start + 1], {}, ""
    for line in lines[start + 1 :]:
        begins = _TEMPLATES.match(line)
        if begins:
            current = begins[1]
            found[current] = line[begins.end() :]
        elif current:
            found[current] += f"\n{line}"
        else:
            kept.append(line)
    return kept, found
