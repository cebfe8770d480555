"""What a picture is known by: its name, its bytes, its pixels and its look; and what opening it found."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image

from pathvlm_r1.data.defects import Action, Defect, DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import BytesImage, FileImage, ImageError
from pathvlm_r1.data.integrity.look import look_of
from pathvlm_r1.data.sample import ImageSource

SMALL_SIDE = 28  # pixels: one visual token of Qwen2.5-VL
_WAITING = 8  # pictures per worker that are opened before the first of them is taken: bounds the memory


# Faults of single pictures, whose records are skipped; the others are faults of the whole set.
_OF_ONE_PICTURE = (DefectKind.IMAGE_MISSING, DefectKind.IMAGE_DAMAGED)


@dataclass(frozen=True)
class PictureKeys:
    """Two pictures of one key are one picture, but for `name`, which different ones may share."""

    path: Path | None  # None: it comes from no file
    content: str | None  # SHA-256 of its file, or of the bytes that it comes from
    pixels: str  # SHA-256 of size and RGB values
    look: bytes  # as `look_of` has it; empty where nobody asked


@dataclass(frozen=True)
class Remark:
    """What a user should know of a picture that can be used."""

    defect: DefectKind
    message: str


@dataclass(frozen=True)
class Opened:
    """A picture that was opened as training and evaluation open it; exactly one of `keys` and `fault` is there."""

    keys: PictureKeys | None
    fault: DatasetError | None
    remarks: tuple[Remark, ...] = ()

    @property
    def defect(self) -> DefectKind:
        """The kind of the fault."""
        return self.fault.defect if isinstance(self.fault, ImageError) else DefectKind.IMAGE_DAMAGED


def picture_defect(record: str, source: ImageSource, kind: DefectKind, fault: DatasetError) -> Defect:
    """What a picture that cannot be used is to a record on it."""
    action: Action = "skip" if kind in _OF_ONE_PICTURE else "error"
    return Defect(record, str(source.path) if isinstance(source, FileImage) else "", kind, str(fault), action)


def identity(source: ImageSource) -> Hashable:
    """What two samples on one picture share before it is opened."""
    return source.path if isinstance(source, FileImage) else id(source)


def open_pictures(sources: Iterable[ImageSource], *, workers: int, with_look: bool) -> Iterator[Opened]:
    """Open every picture, in order, by several threads: decoding and hashing leave the interpreter.

    Args:
        sources: pictures; each is opened once for every time that it stands here.
        workers: threads.
        with_look: whether the perceptual hash is computed.
    """
    Image.preinit()  # threads would load the formats at the same time
    remaining = iter(sources)
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(open_picture, one, with_look=with_look) for one in islice(remaining, workers * _WAITING)]
        while waiting:
            yield waiting.pop(0).result()
            waiting += [pool.submit(open_picture, one, with_look=with_look) for one in islice(remaining, 1)]


def open_picture(source: ImageSource, *, with_look: bool) -> Opened:
    """Decode a picture whole, and say what it is known by or why it cannot be used."""
    try:
        picture, frames = _decoded(source)
        content = _content(source)
    except DatasetError as fault:
        return Opened(None, fault)
    keys = PictureKeys(
        path=source.path if isinstance(source, FileImage) else None,
        content=content,
        pixels=pixel_hash(picture),
        look=look_of(picture).tobytes() if with_look else b"",
    )
    return Opened(keys, None, tuple(_remarks(picture, frames)))


def pixel_hash(picture: Image.Image) -> str:
    """SHA-256 of the size and the RGB values of a picture, whatever file it came in."""
    digest = hashlib.sha256(f"{picture.width}x{picture.height}\n".encode())
    digest.update(picture.tobytes())
    return digest.hexdigest()


def _decoded(source: ImageSource) -> tuple[Image.Image, int]:
    if isinstance(source, FileImage | BytesImage):
        decoded = source.decode()
        return decoded.picture, decoded.frames
    return source.load(), 1


def _content(source: ImageSource) -> str | None:
    if isinstance(source, BytesImage):
        return hashlib.sha256(source.content).hexdigest()
    if not isinstance(source, FileImage):
        return None
    with source.path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remarks(picture: Image.Image, frames: int) -> Iterator[Remark]:
    if frames > 1:
        yield Remark(DefectKind.IMAGE_FRAMES, f"{frames} frames, of which the first is used")
    if min(picture.size) < SMALL_SIDE:
        size = f"{picture.width} x {picture.height}"
        yield Remark(
            DefectKind.IMAGE_TINY, f"{size} is less than one visual token wide or high: the model sees it scaled up"
        )
