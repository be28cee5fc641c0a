"""Input pictures and masks of img2img, kept by what they show: jobs name them by id, so a job can be made again from its row."""

import hashlib
import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, ImageOps

from app.engine.client import Pixels
from app.jobs.files import TEMPORARY, explained, replace_file
from app.schema.errors import BadPicture, NotFound, TooLarge
from app.schema.params import MAX_PIXELS

MAX_BYTES = 128 * 1024 * 1024
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""What is decoded; Pillow's other decoders start programs or are old, and nobody paints in them."""
MOST_TRANSPARENT = 128
"""Up to this alpha a mask leaves the picture alone."""
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredPicture:
    """A stored picture or mask that is decoded each time it is called for: NotFound, or BadPicture if the file has been changed."""

    folder: Path
    name: str

    def __call__(self) -> Pixels:
        """(height, width, 3) uint8; (height, width) of a mask."""
        return Inputs(self.folder).load(self.name)


class Inputs:
    """A folder of RGB pictures and grey masks named by the sha256 of their size and pixels."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> None:
        self._folder, self._max_bytes, self._max_pixels = folder, max_bytes, max_pixels
        self._writing = Lock()

    def clean(self) -> None:
        """Removes what a crash left half-written; only for the one process that owns the folder."""
        with self._writing:  # what is being written now is no remainder
            for left in self._folder.glob(f".*{TEMPORARY}"):
                left.unlink(missing_ok=True)

    def add(self, data: bytes, background: str = "#ffffff") -> str:
        """Stores a picture file upright and in RGB, transparency laid over `background`; its id, the same for the same look.

        TooLarge over the limits on bytes and pixels, BadPicture for what no decoder reads, CannotSave for a full disk.
        """
        with self._opened(data) as picture:
            return self._keep(_flatten(ImageOps.exif_transpose(picture), background))

    def add_mask(self, data: bytes, *, cut: bool = True) -> str:
        """Stores the mask in a picture file, grey; its id. That is its alpha if it is transparent somewhere, else its brightness.

        `cut`: alpha counts as 0 or 255. Raises as `add`.
        """
        with self._opened(data) as picture:
            return self._keep(_grey(ImageOps.exif_transpose(picture), cut=cut))

    def size(self, name: str) -> tuple[int, int]:
        """(width, height) of a stored picture, read from its header; NotFound, or BadPicture if the file has been changed."""
        self.check(name)
        with _decoding(), Image.open(self._path(name), formats=("PNG",)) as picture:
            return picture.size

    @contextmanager
    def _opened(self, data: bytes) -> Iterator[Image.Image]:
        """The decoded picture, once its sizes have been checked."""
        if len(data) > self._max_bytes:
            raise TooLarge(f"The picture has {len(data) / 1024**2:.0f} MB; the limit is {self._max_bytes / 1024**2:.0f} MB.")
        with _decoding(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            check_pixels(picture, self._max_pixels)
            picture.load()
            yield picture

    def _keep(self, picture: Image.Image) -> str:
        name = _digest(picture)
        path = self._path(name)
        with self._writing, explained("the input picture"):
            if not path.exists():
                buffer = io.BytesIO()
                picture.save(buffer, "PNG", compress_level=1)
                replace_file(path, buffer.getvalue())
        return name

    def check(self, name: str) -> None:
        """NotFound if no such picture is stored."""
        if not self._path(name).exists():
            raise not_stored(name)

    def stored(self, name: str) -> StoredPicture:
        """The picture, to be decoded by whoever needs it; NotFound if no such picture is stored."""
        self.check(name)
        return StoredPicture(self._folder, name)

    def file(self, name: str) -> bytes:
        """The PNG file of a stored picture; NotFound if no such picture is stored."""
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise not_stored(name) from error

    def load(self, name: str) -> Pixels:
        """(height, width, 3) uint8 of a stored picture, (height, width) of a mask; NotFound, or BadPicture if the file has been changed."""
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise not_stored(name) from error
        with _decoding(), Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            check_pixels(picture, self._max_pixels)
            loaded = picture.convert("L" if picture.mode == "L" else "RGB")
        if _digest(loaded) != name:
            raise BadPicture(f"The stored input picture {name[:12]} has been damaged; send it again.")
        return np.asarray(loaded)

    def _path(self, name: str) -> Path:
        if not _ID.fullmatch(name):
            raise NotFound("There is no such input picture.")
        return self._folder / f"{name}.png"


def check_pixels(picture: Image.Image, max_pixels: int = MAX_PIXELS) -> None:
    """TooLarge for more pixels, to be asked before anything is decoded: a small file may unpack to gigabytes."""
    if picture.width * picture.height > max_pixels:
        limit = f"{max_pixels / 1024**2:.0f} megapixels"
        raise TooLarge(f"The picture is {picture.width}x{picture.height}; the limit is {limit}.")


def not_stored(name: str) -> NotFound:
    """What is raised for a picture that is not there."""
    return NotFound(f"The input picture {name[:12]} is not stored here; send it again.")


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError as error:
        raise TooLarge("The picture unpacks to more pixels than are decoded here.") from error
    # What Pillow's decoders raise for bytes that are no picture, cut short, or made to harm.
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise BadPicture("The file is no picture that can be read, or it is cut short. PNG, JPEG, WebP, AVIF and GIF work.") from error


def _flatten(picture: Image.Image, background: str) -> Image.Image:
    """RGB over `background` where the picture is transparent."""
    picture = eight_bit(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGB", layer.size, background)
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground


def _grey(picture: Image.Image, *, cut: bool) -> Image.Image:
    picture = eight_bit(picture)
    if not picture.has_transparency_data:
        return picture.convert("L")
    layer = picture.convert("RGBA")
    alpha = layer.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return layer.convert("L")
    return alpha.point(lambda value: 255 if value > MOST_TRANSPARENT else 0) if cut else alpha


def eight_bit(picture: Image.Image) -> Image.Image:
    """16 bits of grey scaled to 8; Pillow's own conversion cuts at 255."""
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def _digest(picture: Image.Image) -> str:
    """Of the pixels, not of a file: the same look has the same id whatever container or encoder it came through."""
    kind = "" if picture.mode == "RGB" else f"{picture.mode} "
    return hashlib.sha256(f"{kind}{picture.width}x{picture.height}\n".encode() + picture.tobytes()).hexdigest()
