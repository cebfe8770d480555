"""Pictures from files: one RGB picture whatever the encoding, or one clear error."""

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
from PIL import Image, ImageFile, ImageOps

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError

MAX_PIXELS = 50_000_000  # above this a picture is refused from its header, before memory is taken
MAX_ASPECT = 200  # longer to shorter side: Qwen2.5-VL resizes nothing longer
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP")  # no EPS or PDF: Pillow would start another program

_AGAIN = "Fetch it again, or take it out of the dataset."
_HEAD_BYTES = 512
_END_BYTES = 4096  # cameras write more behind the mark
_END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_GRAY16_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
_UNSCALED_MODES = ("I", "F")
# What Pillow's decoders raise on corrupt data; OSError covers truncated and unidentified files.
_DECODING_FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, LookupError, TypeError, OverflowError,
)  # fmt: skip
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class ImageError(DatasetError):
    """A file that is not the picture that it should be, and what is wrong with it."""

    def __init__(self, message: str, defect: DefectKind) -> None:
        super().__init__(message)
        self.defect = defect

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, DefectKind]]:
        return ImageError, (str(self), self.defect)


@dataclass(frozen=True)
class Decoded:
    """A picture as RGB, and how many frames its file has."""

    picture: Image.Image
    frames: int


@dataclass(frozen=True)
class FileImage:
    """A picture in a file, decoded at every call of `load`."""

    path: Path

    def load(self) -> Image.Image:
        """The first frame as RGB: EXIF orientation applied once, transparency on white, 16-bit gray scaled to 8.

        Raises:
            ImageError: the file is no picture, is damaged, has more than `MAX_PIXELS` pixels, or is a mere strip.
        """
        return _said(self.decode(), self.path)

    def decode(self) -> Decoded:
        """The same without the warning, for those who count: Python's warnings are no business of threads."""
        with _opened(self.path) as picture:
            return _first_frame(picture)

    def check(self) -> None:
        """Refuse what `load` would refuse, as far as the first and last bytes tell: quick, for many pictures.

        Raises:
            ImageError: as `load`; a file that is damaged in its middle alone passes.
        """
        with _opened(self.path) as picture:
            _require_end(picture)


@dataclass(frozen=True)
class BytesImage:
    """A picture that stands in a table as the bytes of a file, decoded at every call of `load`."""

    content: bytes = field(repr=False)
    name: str  # where it stands, for messages

    def load(self) -> Image.Image:
        """As `FileImage.load`, from the same bytes the same picture, with the same errors."""
        return _said(self.decode(), self.name)

    def decode(self) -> Decoded:
        """As `FileImage.decode`."""
        with _read(io.BytesIO(self.content), self.name) as picture:
            return _first_frame(picture)

    def check(self) -> None:
        """As `FileImage.check`."""
        with _read(io.BytesIO(self.content), self.name) as picture:
            _require_end(picture)


def check_header(path: Path) -> None:
    """Refuse from the first bytes what `FileImage.load` would refuse from them; nothing is decoded.

    Raises:
        ImageError: missing, empty, not a regular file, not a picture, too large, or a mere strip.
    """
    with _opened(path):
        pass


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    """The picture of a file; every fault of opening and decoding becomes an `ImageError`."""
    _refuse_other_than_file(path)
    try:
        file = path.open("rb")
    except PermissionError as fault:
        message = f"{path}: may not be read. Give this user the right to read it."
        raise ImageError(message, DefectKind.IMAGE_NOT_READABLE) from fault
    with file, _read(file, path) as picture:
        yield picture


@contextmanager
def _read(file: IO[bytes], name: object) -> Iterator[ImageFile.ImageFile]:
    """The picture with its header read; every fault of decoding becomes an `ImageError`."""
    try:
        _refuse_other_than_picture(name, file.read(_HEAD_BYTES))
        file.seek(0)
        with Image.open(file, formats=FORMATS) as picture:
            _refuse_unusable(name, picture)
            yield picture
    except DatasetError:
        raise
    except _BOMBS as bomb:
        raise ImageError(_too_large(name, "its header promises"), DefectKind.IMAGE_TOO_LARGE) from bomb
    except _DECODING_FAULTS as fault:
        message = f"{name}: truncated, corrupt or of an unknown format ({fault}). {_AGAIN}"
        raise ImageError(message, DefectKind.IMAGE_DAMAGED) from fault


def _require_end(picture: ImageFile.ImageFile) -> None:
    """A file that was cut off lacks the mark at its end; one without it is decoded, to be sure."""
    file, mark = picture.fp, _END_MARKS.get(picture.format or "")
    if file is None or mark is None:
        picture.load()
        return
    place = file.tell()  # the decoder goes on from here
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - _END_BYTES))
    has_end = mark in file.read()
    file.seek(place)
    if not has_end:
        picture.load()


def _first_frame(picture: Image.Image) -> Decoded:
    frames = getattr(picture, "n_frames", 1)
    picture.seek(0)
    picture.load()
    return Decoded(_rgb(ImageOps.exif_transpose(picture)), frames)


def _said(decoded: Decoded, name: object) -> Image.Image:
    """The picture, with a warning where it is not all of the file."""
    if decoded.frames > 1:
        warnings.warn(f"{name}: more than one frame, the first is used", stacklevel=3)
    return decoded.picture


def _refuse_other_than_file(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise ImageError(f"{path}: a link to nothing. Fetch the file that it stands for.", DefectKind.IMAGE_MISSING)
    if not path.exists():
        message = f"{path}: no such file. Fetch it, or check the folder that the dataset is read from."
        raise ImageError(message, DefectKind.IMAGE_MISSING)
    if not path.is_file():  # opening a FIFO would wait for ever
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise ImageError(f"{path}: {kind}, not a picture. Put the picture in its place.", DefectKind.IMAGE_NOT_A_FILE)


def _refuse_other_than_picture(name: object, head: bytes) -> None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = None
    if not head:
        found = f"empty (0 bytes), it was not downloaded. {_AGAIN}"
    elif start.startswith(b"version https://git-lfs"):
        found = "a Git LFS pointer, the picture was not downloaded. Run `git lfs pull`."
    elif start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        found = f"a web page, not a picture: the download failed. {_AGAIN}"
    if found is not None:
        raise ImageError(f"{name}: {found}", DefectKind.IMAGE_NOT_DOWNLOADED)


def _refuse_unusable(name: object, picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        message = _too_large(name, f"{width} x {height} is {width * height / 1e6:.0f} megapixels,")
        raise ImageError(message, DefectKind.IMAGE_TOO_LARGE)
    if max(width, height) > MAX_ASPECT * min(width, height):
        message = (
            f"{name}: {width} x {height} is a strip, more than {MAX_ASPECT} times as long as wide. Cut out a part, or "
            "take it out of the dataset."
        )
        raise ImageError(message, DefectKind.IMAGE_STRIP)
    if picture.mode in _UNSCALED_MODES:
        message = (
            f"{name}: gray values of 32 bits (mode {picture.mode}) have no agreed white. Export it with 8 or 16 bits."
        )
        raise ImageError(message, DefectKind.IMAGE_WITHOUT_WHITE)


def _too_large(name: object, found: str) -> str:
    limit = f"{MAX_PIXELS // 1_000_000} megapixels"
    return f"{name}: {found} more than the limit of {limit}. Cut the picture into tiles, or scale it down."


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in _GRAY16_MODES:
        values = np.asarray(picture).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")  # 65535 / 257 = 255
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")
