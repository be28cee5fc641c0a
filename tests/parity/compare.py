"""Compares an answer with a reference: pixels channel by channel, infotexts field by field."""

import base64
import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from app.metadata import parse_infotext
from tests.support.paths import DATA

PARITY = DATA / "parity"


def with_files(value: Any) -> Any:
    """The request with every `file:PATH` replaced by that file in base64."""
    if isinstance(value, str) and value.startswith("file:"):
        return base64.b64encode((PARITY / value[5:]).read_bytes()).decode()
    if isinstance(value, list):
        return [with_files(item) for item in value]
    if isinstance(value, dict):
        return {key: with_files(item) for key, item in value.items()}
    return value


def differences(case: dict[str, Any], answer: dict[str, Any], info: dict[str, Any]) -> Iterator[str]:
    """One line for every picture that is off by more than the reference allows, and every infotext field that differs."""
    if len(answer["images"]) != len(case["images"]):
        yield f"{len(answer['images'])} pictures instead of {len(case['images'])}"
        return
    for place, (name, encoded) in enumerate(zip(case["images"], answer["images"], strict=True)):
        got = Image.open(io.BytesIO(base64.b64decode(encoded)))
        with Image.open(PARITY / "images" / name) as expected:
            drawn_text = place in case["tolerance"].get("size_only", ())  # letters are drawn a little differently everywhere
            tolerance = {"max": None} if drawn_text else case["tolerance"]
            mode = "RGBA" if expected.mode == "RGBA" else "RGB"
            yield from _pixels(name, np.asarray(expected.convert(mode)), np.asarray(got.convert(mode)), tolerance)
        if case.get("png_text") and got.info.get("parameters") not in info["infotexts"]:
            yield f"{name}: the PNG's chunk is none of the answer's infotexts"
    if len(info["infotexts"]) != len(case["infotexts"]):
        yield f"{len(info['infotexts'])} infotexts instead of {len(case['infotexts'])}"
        return
    for expected_text, text in zip(case["infotexts"], info["infotexts"], strict=True):
        yield from _fields(expected_text, text)


def _pixels(name: str, expected: np.ndarray, got: np.ndarray, tolerance: dict[str, Any]) -> Iterator[str]:
    """Where rounding alone moves a picture by much, the reference states how much, and a limit for the mean (`max` null: for it alone)."""
    if expected.shape != got.shape:
        yield f"{name}: {got.shape} instead of {expected.shape}"
        return
    apart = np.abs(expected.astype(int) - got.astype(int))
    limit, mean = tolerance["max"], tolerance.get("mean")
    if limit is not None and apart.max() > limit:
        yield f"{name}: off by {apart.max()} (limit {limit})"
    if mean is not None and apart.mean() > mean:
        yield f"{name}: off by {apart.mean():.3f} in the mean (limit {mean})"


def _fields(expected: str, got: str) -> Iterator[str]:
    """`Version` names the program that made the picture, which is the one field that cannot be equal."""
    wanted, found = (_without_version(text) for text in (expected, got))
    if wanted == found:
        return
    a, b = parse_infotext(expected), parse_infotext(got)
    for key in {**a, **b}:
        if key != "Version" and a.get(key) != b.get(key):
            yield f"infotext {key}: {b.get(key)!r} instead of {a.get(key)!r}"
    yield f"infotext {found!r} instead of {wanted!r}"


def _without_version(text: str) -> str:
    return re.sub(r"(, |^)Version: [^,\n]*", "", text, flags=re.MULTILINE)
