"""What several containers share: bytes of an undeclared character set, and the choice of a picture's text."""

from collections.abc import Mapping

from app.metadata.containers.exif import exif_tags, user_comment
from app.metadata.record import Format, PictureRecord


def latin1(raw: bytes) -> str:
    """Latin-1 as the standards say, unless the bytes are UTF-8 beyond ASCII, which many writers put there instead."""
    raw = raw.rstrip(b"\x00")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def commented(
    kind: Format, size: tuple[int, int], exif_block: bytes, texts: Mapping[str, bytes], tags: Mapping[str, str] | None = None
) -> PictureRecord:
    """A record whose text is the EXIF comment, else the file's plain `comment`, which stays among the items as A1111 has it."""
    items = {name: latin1(raw) for name, raw in texts.items() if raw}
    exif_comment = user_comment(exif_block)
    text, source = (exif_comment, "UserComment") if exif_comment else (items.get("comment", ""), "comment")
    told = {**exif_tags(exif_block), **(tags or {})}
    return PictureRecord(format=kind, width=size[0], height=size[1], text=text, source=source if text else "", items=items, tags=told)
