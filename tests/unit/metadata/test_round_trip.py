"""Settings written into every container and read again: nothing is lost, and nothing is added."""

import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.metadata import encode_picture, format_infotext, infotext_fields, params_from_infotext, read_picture, read_text
from app.metadata.dialects.a1111 import A1111
from app.schema.params import make_params
from tests.unit.metadata.test_restore import PARAMS

EXAMPLES = int(os.environ.get("DARKROOM_ROUND_TRIPS", "120"))
SMALL = Image.new("RGB", (8, 8), (9, 99, 199))
KINDS = ("png", "jpeg", "webp", "avif")
TOLD_APART = frozenset(("scheduler", "denoising_strength"))
"""Automatic is told by the schedule that it stands for, and txt2img has no strength: tests of restoring look at both."""


def told(values: dict[str, object]) -> str:
    """The infotext of these settings, as a picture gets it."""
    params = make_params(mode="img2img", init_images=("id",), **values)
    fields = infotext_fields(params, seed=params.seed, model_name='a model, v2: "b"', model_hash="0123456789")
    return format_infotext(params.prompt, params.negative_prompt, fields)


@settings(max_examples=EXAMPLES, deadline=None)
@given(PARAMS, st.sampled_from(KINDS))
def test_settings_come_back_through_every_container(values: dict[str, object], kind: str) -> None:
    text = told(values)
    record = read_picture(encode_picture(SMALL, text, kind))
    assert record.text == text
    restored = params_from_infotext(record.infotext)
    assert {name: restored.values[name] for name in values if name not in TOLD_APART} == {
        name: value for name, value in values.items() if name not in TOLD_APART
    }
    assert (restored.model_name, restored.model_hash, restored.warnings) == ('a model, v2: "b"', "0123456789", ())
    assert restored.extras == {}


@settings(max_examples=EXAMPLES, deadline=None)
@given(PARAMS)
def test_our_own_text_is_taken_as_it_is(values: dict[str, object]) -> None:
    text = told(values)
    recipe = read_text(text).recipe
    assert recipe is not None and recipe.dialect == A1111.name and recipe.infotext == text and recipe.warnings == ()


def test_what_is_not_known_is_written_back_unchanged() -> None:
    extras = {
        "ControlNet 0": 'Module: canny, Model: "x, y", Weight: 1',
        "ADetailer prompt": "a, b",
        "Raw": "line\none",
        "Odd-key/2": "a: b",
    }
    text = format_infotext("a", "b", [("Steps", 3), ("Seed", 1), ("Size", "8x8"), *extras.items()])
    restored = params_from_infotext(text)
    assert restored.extras == extras
    again = format_infotext("a", "b", [("Steps", 3), ("Seed", 1), ("Size", "8x8"), *restored.extras.items()])
    assert again == text


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_hidden_text_is_read_where_no_other_is(kind: str) -> None:
    """Alpha's lowest bits, column by column, plain and in gzip; and the colours' where there is no alpha."""
    import gzip

    text = "a 塔\nNegative prompt: fog\nSteps: 9, Sampler: Euler, CFG scale: 2, Seed: 5, Size: 64x64"
    for signature, raw in (("info", text.encode()), ("comp", gzip.compress(text.encode()))):
        for place, mode in (("png", "RGBA"), ("rgb", "RGB")):
            name = f"stealth_{'png' if place == 'png' else 'rgb'}{signature}".encode()
            bits = "".join(f"{byte:08b}" for byte in name + (8 * len(raw)).to_bytes(4, "big") + raw)
            image = Image.new(mode, (64, 64), (254,) * len(mode))
            pixels = image.load()
            assert pixels is not None
            spots = [(x, y) for x in range(64) for y in range(64)]
            if mode == "RGBA":
                for (x, y), bit in zip(spots, bits, strict=False):
                    pixels[x, y] = (9, 8, 7, 254 + int(bit))
            else:
                for index, (x, y) in enumerate(spots):
                    triple = (bits[3 * index : 3 * index + 3] + "000")[:3]
                    pixels[x, y] = tuple(254 + int(bit) for bit in triple)
            buffer = io.BytesIO()
            image.save(buffer, kind, **({"lossless": True, "exact": True} if kind == "webp" else {}))
            record = read_picture(buffer.getvalue())
            assert (record.text, record.source) == (text, name.decode())
