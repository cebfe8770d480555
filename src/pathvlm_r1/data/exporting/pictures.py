"""Pictures as files that every program decodes to the pixels that are trained on here."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field

from PIL import Image

from pathvlm_r1.data.images import BytesImage, FileImage
from pathvlm_r1.data.sample import ImageSource

FOLDER = "images"
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png"}


@dataclass(frozen=True)
class PictureFile:
    """A picture as the content of a file."""

    name: str  # below the exported folder, from the hash of the content: equal pictures have one name
    content: bytes = field(repr=False)


def picture_file(image: ImageSource) -> PictureFile:
    """The file of a picture: its own where plain decoding gives the same pixels, else a PNG of them.

    Plain decoding, as other programs do it, knows nothing of orientation, transparency or 16 bits of grey.

    Raises:
        DatasetError: the picture cannot be decoded.
    """
    picture = image.load()
    content = _content(image)
    suffix = None if content is None else _suffix_if_plain(content, picture)
    if content is None or suffix is None:
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        content, suffix = buffer.getvalue(), ".png"
    return PictureFile(f"{FOLDER}/{hashlib.sha256(content).hexdigest()[:32]}{suffix}", content)


def _content(image: ImageSource) -> bytes | None:
    """The bytes that a picture was decoded from; None for one that was drawn."""
    if isinstance(image, FileImage):
        return image.path.read_bytes()
    return image.content if isinstance(image, BytesImage) else None


def _suffix_if_plain(content: bytes, picture: Image.Image) -> str | None:
    """The ending of a file that decodes to the picture without more ado, else None."""
    with Image.open(io.BytesIO(content)) as plain:
        if plain.format not in _SUFFIXES or getattr(plain, "n_frames", 1) > 1:
            return None
        same = plain.size == picture.size and plain.convert("RGB").tobytes() == picture.tobytes()
        return _SUFFIXES[plain.format] if same else None
