"""Damaged files and texts, made from real ones: what a fuzzer and hypothesis both feed to the readers."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

from app.metadata import Limits, PictureRecord, params_from_infotext, parse_infotext, read_picture, read_text
from app.schema.errors import BadPicture

DATA = Path(__file__).parents[1] / "data"
MAX_SEED_BYTES = 40_000
LIMITS = Limits(text_bytes=200_000, all_text_bytes=400_000, hidden_pixels=256 * 256, parts=20_000)
"""Low ones, so that going over them is met often."""
_WORDS = (
    b'IDAT IEND tEXt zTXt iTXt eXIf parameters prompt workflow Steps: Seed: Negative prompt: , : " \\ { } [ ] <lora:a:1> Size: 1x1 null '
    b"NaN -1 1e999 UNICODE ASCII class_type inputs widgets_values nodes links definitions subgraphs KSampler CLIPTextEncode LoraLoader "
    b'["1",0] \xff\xfe \x00\x00\x00\x01'
).split(b" ")
_NUMBERS = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00")


def seeds() -> list[bytes]:
    """Real files of every container and program, the small ones."""
    files = [*(DATA / "samples" / "pictures").rglob("*.*"), *(DATA / "files").iterdir()]
    found = [file.read_bytes() for file in sorted(files) if file.suffix != ".json"]
    return [data for data in found if len(data) <= MAX_SEED_BYTES]


def texts() -> list[str]:
    """What those files say, as their programs wrote it."""
    records = [read_picture(data) for data in seeds()]
    return sorted({record.recipe.raw for record in records if record.recipe is not None and record.recipe.raw})


def mutated(data: bytes, random: Random) -> bytes:
    """The data with one to eight things done to it."""
    raw = bytearray(data)
    for _ in range(random.randint(1, 8)):
        random.choice(_CHANGES)(raw, random)
    return bytes(raw)


def _place(raw: bytearray, random: Random) -> int:
    """Mostly near the start, where the structures are."""
    return random.randrange(max(1, len(raw) if random.random() < 0.5 else min(len(raw), 400)))


def _overwrite(raw: bytearray, random: Random) -> None:
    new = random.choice(_NUMBERS) if random.random() < 0.5 else random.randbytes(random.randint(1, 4))
    start = _place(raw, random)
    raw[start : start + len(new)] = new


def _insert(raw: bytearray, random: Random) -> None:
    start = _place(raw, random)
    raw[start:start] = random.choice(_WORDS)


def _delete(raw: bytearray, random: Random) -> None:
    start = _place(raw, random)
    del raw[start : start + random.choice((1, 2, 4, 16, 100))]


def _repeat(raw: bytearray, random: Random) -> None:
    start = _place(raw, random)
    part = raw[start : start + random.choice((1, 8, 60, 500))]
    raw[start:start] = part * random.choice((1, 2, 20))


def _cut(raw: bytearray, random: Random) -> None:
    del raw[_place(raw, random) :]


def _flip(raw: bytearray, random: Random) -> None:
    if raw:
        raw[_place(raw, random)] ^= 1 << random.randrange(8)


_CHANGES: tuple[Callable[[bytearray, Random], None], ...] = (_overwrite, _insert, _delete, _repeat, _cut, _flip)


def wrapped(text: bytes, random: Random) -> bytes:
    """The text in a picture: as any PNG text chunk, or in an EXIF comment of any encoding."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    keyword = random.choice(
        (b"parameters", b"prompt", b"workflow", b"Comment", b"Dream", b"sd-metadata", b"invokeai_metadata", b"generation_data")
    )
    prefix = random.choice((b"UNICODE\0", b"ASCII\0\0\0", bytes(8), b""))
    value = prefix + text
    block = b"MM" + struct.pack(">HIHHHIII", 42, 8, 1, 0x9286, 7, len(value), 26, 0) + value
    body = random.choice(
        (
            chunk(b"tEXt", keyword + b"\0" + text),
            chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text)),
            chunk(b"iTXt", keyword + b"\0\1\0\0\0" + zlib.compress(text)),
            chunk(b"eXIf", block),
        )
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IDAT", zlib.compress(bytes(200))) + chunk(b"IEND", b"")


def check_file(data: bytes) -> None:
    """Reads a file; anything but a record or BadPicture with one sentence is a fault."""
    try:
        record = read_picture(data, LIMITS)
    except BadPicture as error:
        assert str(error) and "\n" not in str(error)
        return
    assert record.width > 0 and record.height > 0
    check_record(record)


def check_text(text: str) -> None:
    """Reads a text that was pasted; nothing may be raised."""
    check_record(read_text(text))


def check_record(record: PictureRecord) -> None:
    """What was read can be shown, sent and used."""
    said = parse_infotext(record.infotext)
    json.dumps({**record.items, **record.tags, **said}, ensure_ascii=False).encode()
    restored = params_from_infotext(record.usable)
    assert all(isinstance(sentence, str) and sentence for sentence in restored.warnings)
    # A translation may repeat a text in several fields, but it does not unfold.
    assert max(len(record.infotext), len(record.usable)) <= 40 * LIMITS.text_bytes
