"""Samples on drawn pictures in files, sound ones and one for each defect that opening finds."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pathvlm_r1.data import Sample
from pathvlm_r1.data.images import FileImage

SIZE = (64, 48)


def drawn(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture of its own for each seed, with coarse and fine structure as photographs have."""
    random = np.random.default_rng(seed)
    layers = [Image.fromarray(random.integers(0, 256, (r, c, 3), dtype=np.uint8)) for r, c in ((5, 7), (30, 40))]
    return Image.blend(*(layer.resize(size, Image.Resampling.BICUBIC) for layer in layers), alpha=0.4)


def sample_on(path: Path, number: int, **changes: object) -> Sample:
    """A question on a picture; `number` makes it one of its own."""
    sample = Sample(
        sample_id=f"q{number:04d}", image_id=path.name, dataset="drawn", question_type="kind",
        question=f"Which pattern is number {number}?", options=("whorled", "nested", "corded", "solid"),
        answer="ABCD"[number % 4], rationale="", images=(FileImage(path),),
    )  # fmt: skip
    return replace(sample, **changes)


def sound_samples(folder: Path, count: int, *, first: int = 0) -> list[Sample]:
    """Questions on pictures of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number in range(first, first + count):
        drawn(number).save(folder / f"picture_{number}.png")
        samples.append(sample_on(folder / f"picture_{number}.png", number))
    return samples


def header_only_png(path: Path, width: int, height: int) -> None:
    """A PNG that promises a size and has no data."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + data)


def write_defects(folder: Path) -> dict[str, str]:
    """File name -> the defect that it has."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn(900).save(folder / "truncated.jpg")
    (folder / "truncated.jpg").write_bytes((folder / "truncated.jpg").read_bytes()[:900])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "page.jpg").write_text("<!DOCTYPE html><html>403</html>")
    (folder / "pointer.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "link.jpg").symlink_to(folder / "gone.jpg")
    header_only_png(folder / "bomb.png", 60_000, 60_000)
    header_only_png(folder / "large.png", 8_000, 7_000)
    drawn(901, (1000, 4)).save(folder / "strip.png")
    Image.fromarray(np.zeros((40, 40), np.float32)).save(folder / "grey32.tiff")
    return {
        "truncated.jpg": "image-damaged", "empty.jpg": "image-not-downloaded", "page.jpg": "image-not-downloaded",
        "pointer.jpg": "image-not-downloaded", "folder.jpg": "image-not-a-file", "pipe.jpg": "image-not-a-file",
        "link.jpg": "image-missing", "missing.jpg": "image-missing", "bomb.png": "image-too-large",
        "large.png": "image-too-large", "strip.png": "image-strip", "grey32.tiff": "image-without-white",
    }  # fmt: skip
