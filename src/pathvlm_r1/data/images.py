"""Pictures from files and tables: one RGB picture whatever the encoding, or one clear error."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from pathvlm_r1.data.errors import DatasetError

MAX_PIXELS = 50_000_000  # above this a picture is refused from its header, before memory is taken
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP")  # no EPS or PDF: Pillow would start another program

_AGAIN = "Fetch it again, or take it out of the dataset."
_HEAD_BYTES = 512
_GRAY16_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
_UNSCALED_MODES = ("I", "F")
# What Pillow's decoders raise on corrupt data; OSError covers truncated and unidentified files.
_DECODING_FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, LookupError, TypeError, OverflowError,
)  # fmt: skip
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class FileImage:
    """A picture in a file, decoded at every call of `load`."""

    path: Path

    def load(self) -> Image.Image:
        """The first frame as RGB: EXIF orientation applied once, transparency on white, 16-bit gray scaled to 8.

        Raises:
            DatasetError: the file is no picture, is damaged, or has more than `MAX_PIXELS` pixels.
        """
        with _opened(self.path) as picture:
            return _first_frame(picture, self.path)


@dataclass(frozen=True)
class BytesImage:
    """A picture that stands in a table as the bytes of a file, decoded at every call of `load`."""

    content: bytes = field(repr=False)
    name: str  # where it stands, for messages

    def load(self) -> Image.Image:
        """As `FileImage.load`, from the same bytes the same picture.

        Raises:
            DatasetError: the bytes are no picture, are damaged, or have more than `MAX_PIXELS` pixels.
        """
        with _read(io.BytesIO(self.content), self.name) as picture:
            return _first_frame(picture, self.name)


def check_header(path: Path) -> None:
    """Refuse from the first bytes what `FileImage.load` would refuse from them; nothing is decoded.

    Raises:
        DatasetError: missing, empty, not a regular file, not a picture, or too large.
    """
    with _opened(path):
        pass


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture of a file; every fault of opening and decoding becomes a `DatasetError`."""
    _refuse_other_than_file(path)
    try:
        file = path.open("rb")
    except PermissionError as fault:
        raise DatasetError(f"{path}: may not be read. Give this user the right to read it.") from fault
    with file, _read(file, path) as picture:
        yield picture


@contextmanager
def _read(file: IO[bytes], name: object) -> Iterator[Image.Image]:
    """The picture with its header read; every fault of decoding becomes a `DatasetError`."""
    try:
        _refuse_other_than_picture(name, file.read(_HEAD_BYTES))
        file.seek(0)
        with Image.open(file, formats=FORMATS) as picture:
            _refuse_unusable(name, picture)
            yield picture
    except DatasetError:
        raise
    except _BOMBS as bomb:
        raise DatasetError(_too_large(name, "its header promises")) from bomb
    except _DECODING_FAULTS as fault:
        raise DatasetError(f"{name}: truncated, corrupt or of an unknown format ({fault}). {_AGAIN}") from fault


def _first_frame(picture: Image.Image, name: object) -> Image.Image:
    if getattr(picture, "n_frames", 1) > 1:
        warnings.warn(f"{name}: more than one frame, the first is used", stacklevel=3)
    picture.seek(0)
    picture.load()
    return _rgb(ImageOps.exif_transpose(picture))


def _refuse_other_than_file(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise DatasetError(f"{path}: a link to nothing. Fetch the file that it stands for.")
    if not path.exists():
        raise DatasetError(f"{path}: no such file. Fetch it, or check the folder that the dataset is read from.")
    if not path.is_file():  # opening a FIFO would wait for ever
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise DatasetError(f"{path}: {kind}, not a picture. Put the picture in its place.")


def _refuse_other_than_picture(path: object, head: bytes) -> None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        raise DatasetError(f"{path}: empty (0 bytes), it was not downloaded. {_AGAIN}")
    if start.startswith(b"version https://git-lfs"):
        raise DatasetError(f"{path}: a Git LFS pointer, the picture was not downloaded. Run `git lfs pull`.")
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise DatasetError(f"{path}: a web page, not a picture: the download failed. {_AGAIN}")


def _refuse_unusable(path: object, picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise DatasetError(_too_large(path, f"{width} x {height} is {width * height / 1e6:.0f} megapixels,"))
    if picture.mode in _UNSCALED_MODES:
        raise DatasetError(
            f"{path}: gray values of 32 bits (mode {picture.mode}) have no agreed white. Export it with 8 or 16 bits."
        )


def _too_large(path: object, found: str) -> str:
    limit = f"{MAX_PIXELS // 1_000_000} megapixels"
    return f"{path}: {found} more than the limit of {limit}. Cut the picture into tiles, or scale it down."


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in _GRAY16_MODES:
        values = np.asarray(picture).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")  # 65535 / 257 = 255
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")
