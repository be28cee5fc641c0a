"""Reading real files as A1111 reads them, and files that are broken, lying or hostile."""

import json
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.metadata import Limits, PictureRecord, parse_infotext, read_picture, read_recipe
from app.metadata.containers import exif
from app.metadata.write import encode_picture, save_png_bytes
from app.schema.errors import BadPicture

FILES = Path(__file__).parents[2] / "data" / "files"
INDEX = json.loads((FILES / "index.json").read_text(encoding="utf-8"))
SMALL = Image.new("RGB", (24, 16), (10, 200, 30))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*before: bytes, after: tuple[bytes, ...] = (), size: tuple[int, int] = (3, 2)) -> bytes:
    """A whole PNG with further chunks before and after its pixels."""
    width, height = size
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + bytes(9)) * 2))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + pixels + b"".join(after) + chunk(b"IEND", b"")


def exif_png(raw: bytes, order: str = ">", ifd0: bool = False, kind: int = 7) -> bytes:
    """A PNG whose only text is this UserComment, in the Exif directory or wrongly in the first one."""
    mark = b"MM" if order == ">" else b"II"
    if ifd0:
        block = mark + struct.pack(order + "HIHHHIII", 42, 8, 1, exif.USER_COMMENT, kind, len(raw), 26, 0) + raw
    else:
        block = mark + struct.pack(order + "HIHHHIII", 42, 8, 1, exif.EXIF_POINTER, 4, 1, 26, 0)
        block += struct.pack(order + "HHHIII", 1, exif.USER_COMMENT, kind, len(raw), 44, 0) + raw
    return png(chunk(b"eXIf", block))


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_files_read_as_a1111_reads_them(entry) -> None:
    record = read_picture(FILES / entry["file"])
    assert (record.format, [record.width, record.height]) == (entry["format"], entry["size"])
    assert (record.text, dict(record.items)) == (entry["text"], entry["items"])
    assert parse_infotext(record.text) == entry["parameters"]
    assert bool(record.source) is bool(record.text)


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_extension_does_not_matter_and_a_cut_file_is_refused(entry, tmp_path: Path) -> None:
    data = (FILES / entry["file"]).read_bytes()
    renamed = tmp_path / "picture.txt"
    renamed.write_bytes(data)
    assert read_picture(renamed) == read_picture(data)
    for length in (len(data) - 1, len(data) // 2, 30):
        with pytest.raises(BadPicture):
            read_picture(data[:length])


def test_png_cut_at_every_chunk_and_inside_it() -> None:
    data = (FILES / "other-chunks.png").read_bytes()
    position, cuts = 8, []
    while position < len(data):
        cuts += [position, position + 4, position + 9]
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    assert len(cuts) == 18
    for cut in cuts:
        with pytest.raises(BadPicture, match="cut off"):
            read_picture(data[:cut])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"just some text, named .png", "no picture"),
        (b"<html>", "no picture"),
        (b"BMW is a car", "no picture"),
        (b"BM" + bytes(12) + b"\x28\0\0\0" + bytes(20), "0 pixels wide"),
        (b"P5 is no camera", "no picture"),
        (b"II*\x00 broken", "no picture"),
        (b"II*\x00\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 3, 1, 7), "no picture"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 2**32 - 1, b"IHDR") + bytes(50), "cut off"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"") + chunk(b"IEND", b""), "header"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"abc") + chunk(b"IDAT", b"") + chunk(b"IEND", b""), "no pixels"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IEND", b""), "no pixels"),
        (png(size=(0, 5)), "0 pixels wide"),
        (png(size=(100_000, 100_000)), "megapixels"),
        (b"\xff\xd8\xff\xe0", "cut off"),
        (b"\xff\xd8\xff\xe0\xff\xff", "cut off"),
        (b"\xff\xd8\xff\xe0\x00\x04abcdef", "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x00abcdef", "damaged"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "no frame header"),
        (b"RIFF\x04\x00\x00\x00WEBP", "no picture"),
        (b"RIFF\xff\xff\xff\xffWEBP", "cut off"),
        (b"RIFF\x14\x00\x00\x00WEBPEXIF\xff\x00\x00\x00abcdefgh", "cut off"),
        (b"RIFF\x14\x00\x00\x00WEBPVP8L\x05\x00\x00\x00abcdefgh", "no picture"),
        (b"GIF89a", "cut off"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "no picture"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00\x07", "damaged"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00!\xfe\x05ab", "cut off"),
        (b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif", "no picture"),
        (b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif\x00\x00\x00\x05meta", "damaged"),
        (b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif\x00\x00\x10\x00meta", "cut off"),
        (b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif\x00\x00", "within a box"),
        (b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif\x00\x00\x00\x00mdat", "no picture"),
        (b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif\x00\x00\x00\x01mdat" + (2**63).to_bytes(8, "big"), "cut off"),
    ],
    ids=range(34),
)
def test_what_is_no_picture_gets_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(BadPicture, match=words) as caught:
        read_picture(data)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match=r"nobody.png cannot be read: No such file"):
        read_picture(tmp_path / "nobody.png")
    with pytest.raises(BadPicture, match=r"cannot be read: Is a directory"):
        read_picture(tmp_path)
    big = tmp_path / "big.png"
    big.write_bytes(png())
    with pytest.raises(BadPicture, match=r"big.png is over the limit"):
        read_picture(big, Limits(file_bytes=10))
    with pytest.raises(BadPicture, match="over the limit"):
        read_picture(png(), Limits(file_bytes=10))


def test_texts_of_all_kinds_before_and_after_the_pixels() -> None:
    data = png(
        chunk(b"tEXt", b"Author\0caf\xe9"),
        chunk(b"tEXt", b"parameters\0" + "テスト".encode()),
        chunk(b"zTXt", b"packed\0\0" + zlib.compress("ünpacked".encode("latin-1"))),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"),
        after=(
            chunk(b"iTXt", b"late\0\1\0de\0sp\xc3\xa4t\0" + zlib.compress("犬".encode())),
            chunk(b"tEXt", b"ends\0with a NUL\0"),
            chunk(b"tEXt", b"\0no keyword"),
            chunk(b"zTXt", b"broken\0\0not deflated"),
            chunk(b"zTXt", b"method\0\7" + zlib.compress(b"x")),
            chunk(b"zTXt", b"half\0\0" + zlib.compress(bytes(1000))[:8]),
            chunk(b"iTXt", b"broken\0\1\0\0\0not deflated"),
        ),
    )
    record = read_picture(data)
    assert record.text == "テスト" and record.source == "parameters"
    assert record.items == {
        "Author": "café", "packed": "ünpacked", "XML:com.adobe.xmp": "<x/>", "late": "犬", "ends": "with a NUL",
    }  # fmt: skip


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_zip_bomb_is_refused_before_it_unfolds(kind: bytes) -> None:
    packed = zlib.compress(bytes(50 * 1024**2), 9)
    head = b"bomb\0\0" if kind == b"zTXt" else b"bomb\0\1\0\0\0"
    assert len(packed) < 60_000
    with pytest.raises(BadPicture, match="8 MB"):
        read_picture(png(chunk(kind, head + packed)))


def test_limits_hold_for_every_container() -> None:
    small = Limits(text_bytes=50, all_text_bytes=80, parts=3)
    long, text = "x" * 100, chunk(b"tEXt", b"a\0" + b"x" * 45)
    for data in (
        png(chunk(b"tEXt", b"a\0" + long.encode())),
        png(chunk(b"iTXt", b"a\0\0\0\0\0" + long.encode())),
        exif_png(long.encode()),
        *(encode_picture(SMALL, long, kind) for kind in ("jpeg", "webp", "avif")),
        (FILES / "comment.gif").read_bytes(),
    ):
        with pytest.raises(BadPicture, match="A text in the picture is over the limit"):
            read_picture(data, Limits(text_bytes=50))
    with pytest.raises(BadPicture, match="together"):
        read_picture(png(text, text), small)
    with pytest.raises(BadPicture, match="more chunks"):
        read_picture(png(text, chunk(b"gAMA", bytes(4))), small)
    with pytest.raises(BadPicture, match="more chunks"):
        read_picture(encode_picture(SMALL, "x", "webp"), Limits(parts=1))
    with pytest.raises(BadPicture, match="damaged"):
        read_picture(encode_picture(SMALL, "x", "jpeg"), Limits(parts=1))
    with pytest.raises(BadPicture, match="more blocks"):
        read_picture((FILES / "comment.gif").read_bytes(), Limits(parts=1))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"UNICODE\0" + "a 塔".encode("utf-16-be"), "a 塔"),
        (b"UNICODE\0" + "a 塔".encode("utf-16-le"), "a 塔"),
        (b"UNICODE\0" + b"\xff\xfe" + "a 塔".encode("utf-16-le"), "a 塔"),
        (b"UNICODE\0" + b"\xfe\xff" + "a 塔".encode("utf-16-be"), "a 塔"),
        (b"UNICODE\0" + "塔塔塔".encode("utf-16-be"), "塔塔塔"),
        (b"UNICODE\0" + "🐕 and 🐕".encode("utf-16-le"), "🐕 and 🐕"),
        (b"UNICODE\0" + "ab".encode("utf-16-be") + b"\0\0", "ab"),
        (b"UNICODE\0" + "ab".encode("utf-16-be") + b"\xd8\x00", "ab\ufffd"),
        (b"UNICODE\0" + "abc".encode("utf-16-be") + b"\0", "abc\ufffd"),
        (b"UNICODE\0", ""),
        (b"ASCII\0\0\0" + "naïve".encode(), "naïve"),
        (b"ASCII\0\0\0" + "naïve".encode("latin-1"), "naïve"),
        (b"JIS\0\0\0\0\0" + b"plain", "plain"),
        (bytes(8) + "größer".encode(), "größer"),
        (b'{"prompt": 1}', '{"prompt": 1}'),
        (b"short", "short"),
    ],
)
def test_user_comment_in_every_encoding(raw: bytes, text: str) -> None:
    assert read_picture(exif_png(raw)).text == text
    assert read_picture(exif_png(raw, order="<")).text == text
    assert read_picture(exif_png(raw, ifd0=True, kind=2)).text == text


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"MM\0*",
        b"XX\0*\0\0\0\x08",
        b"MM\0*\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHII", exif.EXIF_POINTER, 4, 1, 2**32 - 1),
        b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHII", exif.USER_COMMENT, 7, 2**32 - 1, 26),
        b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHII", exif.USER_COMMENT, 9, 2, 26) + bytes(20),
    ],
)
def test_broken_exif_is_no_text(block: bytes) -> None:
    record = read_picture(png(chunk(b"eXIf", block)))
    assert (record.text, record.source, record.items) == ("", "", {})


def test_parameters_come_before_exif() -> None:
    data = exif_png(b"ASCII\0\0\0from exif")
    text = chunk(b"tEXt", b"parameters\0from the chunk")
    assert read_picture(data[:33] + text + data[33:]).text == "from the chunk"


def test_xmp_and_comments_are_items() -> None:
    xmp = b"<x:xmpmeta/>"
    for kind in ("JPEG", "WEBP", "AVIF"):
        buffer = BytesIO()
        SMALL.save(buffer, kind, xmp=xmp)
        record = read_picture(buffer.getvalue())
        assert dict(record.items) == {"xmp": xmp.decode()} and record.text == ""
    buffer = BytesIO()
    SMALL.save(buffer, "JPEG", comment="hello", progressive=True)
    record = read_picture(buffer.getvalue())
    assert (record.text, record.source, dict(record.items)) == ("hello", "comment", {"comment": "hello"})


def test_an_exif_text_goes_on_in_a_second_segment() -> None:
    text = "long " * 20_000
    data = encode_picture(SMALL, text, "jpeg")
    assert data.count(exif.PREFIX) == 4
    assert read_picture(data).text == text
    raw = Image.open(BytesIO(data)).getexif().get_ifd(exif.EXIF_POINTER)[exif.USER_COMMENT]
    assert raw[8:].decode("utf-16-be") == text


@pytest.mark.parametrize(
    ("kind", "options"), [("BMP", {}), ("TIFF", {}), ("PPM", {}), ("WEBP", {}), ("GIF", {}), ("WEBP", {"lossless": True})]
)
def test_sizes_of_formats_and_variants(kind: str, options: dict[str, object]) -> None:
    buffer = BytesIO()
    SMALL.save(buffer, kind, **options)
    record = read_picture(buffer.getvalue())
    assert (record.format, record.width, record.height, record.text) == (kind, 24, 16, "")


def test_jpeg_with_fill_bytes_and_lone_markers() -> None:
    data = encode_picture(SMALL, "a", "jpeg")
    assert read_picture(data[:2] + b"\xff\x01" + b"\xff" * 5 + data[2:]).text == "a"


def test_animations_are_pictures() -> None:
    frames = [Image.new("RGB", (9, 7), (shade, 0, 0)) for shade in (0, 90, 180)]
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        buffer = BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
        record = read_picture(buffer.getvalue())
        assert (record.width, record.height) == (9, 7)


def test_tiff_has_its_exif_in_itself() -> None:
    buffer = BytesIO()
    SMALL.save(buffer, "TIFF", exif=exif.tiff_block("a\nSteps: 1, Seed: 2, Size: 8x8"))
    assert read_picture(buffer.getvalue()).text == "a\nSteps: 1, Seed: 2, Size: 8x8"


def test_simple_formats_in_their_variants() -> None:
    old = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 24, 16, 1, 24)
    upside_down = b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 24, -16, 1, 24)
    for data in (old, upside_down, b"P1\n# a comment\n24 16\n0 0", b"P6 24\n16\n255\n"):
        record = read_picture(data)
        assert (record.width, record.height) == (24, 16)
    with pytest.raises(BadPicture, match="megapixels"):
        read_picture(b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 20_000, 20_000, 1, 24))
    with pytest.raises(BadPicture, match="A text in the picture"):
        buffer = BytesIO()
        SMALL.save(buffer, "TIFF", exif=exif.tiff_block("long " * 20))
        read_picture(buffer.getvalue(), Limits(text_bytes=50))


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", 8 + len(body)) + kind + body


def avif(iloc: bytes, iinf: bytes, *more: bytes) -> bytes:
    """An AVIF file of nothing but its description; `more` goes into `meta`."""
    small, large = (box(b"ispe", struct.pack(">III", 0, *size)) for size in ((4, 2), (64, 48)))
    sizes = box(b"iprp", box(b"ipco", box(b"pixi", bytes(5)), small, large))
    meta = box(b"meta", bytes(4), box(b"iloc", iloc), box(b"iinf", iinf), sizes, *more)
    return box(b"ftyp", b"avif", bytes(4)) + meta + box(b"mdat", b"")


EXIF_ITEM = bytes(4) + b"\0\1" + box(b"infe", struct.pack(">BBHHH4s", 2, 0, 0, 1, 0, b"Exif"))


def test_avif_item_in_the_description_itself() -> None:
    """Location boxes of version 1 and 2, four bytes a number, counted from the data box within `meta`."""
    block = bytes(4) + exif.tiff_block("a 塔")
    part = struct.pack(">HII", 1, 0, len(block))
    narrow = struct.pack(">BBHBBHHHH", 1, 0, 0, 0x44, 0x00, 1, 1, 1, 0) + part
    record = read_picture(avif(narrow, EXIF_ITEM, box(b"idat", block)))
    assert (record.text, record.width, record.height) == ("a 塔", 64, 48)
    wide = struct.pack(">BBHBBIIHH", 2, 0, 0, 0x44, 0x00, 1, 1, 1, 0) + part
    wide_item = box(b"infe", struct.pack(">BBHIH4s", 3, 0, 0, 1, 0, b"Exif"))
    items = bytes([1, 0, 0, 0]) + struct.pack(">I", 2) + box(b"infe", bytes(8)) + wide_item
    assert read_picture(avif(wide, items, box(b"idat", block))).text == "a 塔"


@pytest.mark.parametrize(
    "iloc",
    [
        b"",
        bytes(7),
        struct.pack(">BBHBBHHHHII", 0, 0, 0, 0x44, 0x00, 1, 1, 0, 1, 2**31, 50),
        struct.pack(">BBHBBHHHHHII", 1, 0, 0, 0x44, 0x00, 1, 1, 2, 0, 1, 0, 50),
        struct.pack(">BBHBBHHHHII", 0, 0, 0, 0x44, 0x00, 9, 1, 0, 9, 0, 0),
        struct.pack(">BBHBBHHHH", 0, 0, 0, 0x00, 0x00, 1, 1, 0, 65535),
    ],
)
def test_avif_with_lying_places(iloc: bytes) -> None:
    with pytest.raises(BadPicture, match="damaged"):
        read_picture(avif(iloc, EXIF_ITEM))


def test_avif_with_too_many_boxes() -> None:
    with pytest.raises(BadPicture, match="more boxes"):
        read_picture(box(b"ftyp", b"avif", bytes(4)) + box(b"free") * 5, Limits(parts=3))


def test_avif_under_a_general_brand() -> None:
    data = (FILES / "plain-avif.avif").read_bytes()
    assert data[8:12] == b"avif"
    assert read_picture(data[:8] + b"mif1" + data[12:]).format == "AVIF"


def test_novelai_dialect() -> None:
    def record(comment: str, **items: str) -> PictureRecord:
        return PictureRecord(format="PNG", width=64, height=48, items={"Software": "NovelAI", "Comment": comment, **items})

    said = '{"prompt": "a cat", "uc": "", "steps": 28, "sampler": "k_new", "seed": 7, "scale": 5}'
    recipe = read_recipe(record(said))
    assert recipe is not None and recipe.dialect == "novelai"
    assert recipe.infotext == "a cat\nSteps: 28, Sampler: k_new, CFG scale: 5, Seed: 7, Size: 64x48, Clip skip: 2, ENSD: 31337"
    assert read_recipe(record("no json")) is read_recipe(record("[1]")) is read_recipe(record("[" * 100_000)) is None
    with_text = save_png_bytes(SMALL, "", {"Software": "NovelAI", "Comment": said, "Description": "a dog"})
    assert read_picture(with_text).source == "novelai" and read_picture(with_text).text.startswith("a dog\nSteps: 28")


SEEDS = [(FILES / entry["file"]).read_bytes() for entry in INDEX]
SEEDS = [data for data in SEEDS if len(data) < 5000] + [encode_picture(SMALL, "a 塔", kind) for kind in ("png", "jpeg", "webp", "avif")]

CHANGES = st.lists(st.tuples(st.integers(0, 4999), st.binary(min_size=1, max_size=4)), max_size=6)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4999), st.binary(min_size=1, max_size=4)), max_size=6), st.integers(0, 5000)
)
def test_damaged_files_are_read_or_refused(data: bytes, changes: list[tuple[int, bytes]], keep: int) -> None:
    damaged = bytearray(data)
    for position, new in changes:
        start = position % len(damaged)
        damaged[start : start + len(new)] = new
    for candidate in (bytes(damaged), bytes(damaged[: max(1, len(data) - keep)])):
        try:
            record = read_picture(candidate)
        except BadPicture:
            continue
        assert record.width > 0 and record.height > 0
        json.dumps(dict(record.items) | parse_infotext(record.text), ensure_ascii=False).encode()
