"""Pictures from files: equal to a reference RGB in every encoding, or one clear error."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from transformers import Qwen2VLImageProcessorPil

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import FileImage, ImageError, check_header

ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {  # what each value asks for, in the words of the EXIF standard: where the stored row 0 and column 0 lie
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}
GRAY = np.add.outer(np.arange(40), 3 * np.arange(50)).astype(np.uint8)
RGB = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=-1)
ALPHA = np.where(np.indices(GRAY.shape).sum(axis=0) % 3 == 0, 0, 128).astype(np.uint8)


def loaded(path: Path) -> np.ndarray:
    picture = FileImage(path).load()
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(int)


def gray_as_rgb(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None], 3, axis=-1).astype(int)


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    opacity = alpha[..., None] / 255
    return np.rint(colour * opacity + 255 * (1 - opacity)).astype(int)


def header_only_png(path: Path, width: int, height: int) -> Path:
    """A PNG that promises a size and has no data."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + data)
    return path


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp", "webp"])
def test_lossless_rgb_is_the_same_in_every_format_and_at_every_call(tmp_path, suffix):
    path = tmp_path / f"one.{suffix}"
    Image.fromarray(RGB).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert (loaded(path) == RGB).all()
    assert (loaded(path) == loaded(path)).all()


def test_gray_bilevel_and_palette_pictures_have_their_colours(tmp_path):
    path = tmp_path / "one.png"
    Image.fromarray(GRAY).save(path)
    assert (loaded(path) == gray_as_rgb(GRAY)).all()
    Image.fromarray(GRAY > 90).save(path)
    assert (loaded(path) == gray_as_rgb(np.where(GRAY > 90, 255, 0))).all()
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(path)
    assert (loaded(path) == np.asarray(palette.convert("RGB"))).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_gray_is_scaled_and_not_clipped(tmp_path, suffix):
    deep = (GRAY.astype(np.uint32) * 257).astype(np.uint16)
    path = tmp_path / f"one.{suffix}"
    Image.fromarray(deep).save(path)
    assert (loaded(path) == gray_as_rgb(GRAY)).all()


def test_transparency_is_composed_on_white(tmp_path):
    path = tmp_path / "one.png"
    Image.fromarray(np.dstack([RGB, ALPHA])).save(path)
    assert abs(loaded(path) - on_white(RGB, ALPHA)).max() <= 1  # Pillow composes in whole numbers
    Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(ALPHA)]).save(path)
    assert abs(loaded(path) - on_white(gray_as_rgb(GRAY), ALPHA)).max() <= 1
    palette = Image.fromarray(np.zeros((4, 4), np.uint8)).convert("P")
    palette.save(path, transparency=0)
    assert (loaded(path) == 255).all()


def test_cmyk_jpeg_has_the_colours_of_its_rgb(tmp_path):
    path = tmp_path / "one.jpg"
    flat = Image.new("RGB", (32, 32), (200, 60, 30))
    flat.convert("CMYK").save(path, quality=95)
    assert abs(loaded(path) - np.asarray(flat).astype(int)).max() <= 4  # JPEG rounding


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["png", "tiff", "jpg"])
def test_exif_orientation_is_applied_exactly_once(tmp_path, orientation, suffix):
    path = tmp_path / f"one.{suffix}"
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :8], stored[8:, :8] = 255, 120  # whole JPEG blocks; no two orientations look alike
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(stored).save(path, exif=exif)
    assert (abs(loaded(path) - UPRIGHT[orientation](stored).astype(int)) <= 2).all()  # JPEG rounding


def test_a_picture_of_several_frames_gives_the_first_and_says_so(tmp_path):
    path = tmp_path / "one.gif"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"one\.gif: more than one frame, the first is used"):
        picture = FileImage(path).load()
    assert picture.getpixel((4, 4)) == (255, 0, 0)


def test_a_source_survives_pickling(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "one.png")
    source = FileImage(tmp_path / "one.png")
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301 (our own bytes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty \(0 bytes\), it was not downloaded"),
        (b"\n <!DOCTYPE html><html>", "a web page, not a picture"),
        (b"<HTML><body>404", "a web page, not a picture"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer.*`git lfs pull`"),
        (b"not a picture at all", "truncated, corrupt or of an unknown format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "truncated, corrupt or of an unknown format"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_from_its_first_bytes(tmp_path, content, message):
    path = tmp_path / "one.jpg"
    path.write_bytes(content)
    for read in (check_header, lambda path: FileImage(path).load()):
        with pytest.raises(DatasetError, match=rf"one\.jpg: {message}"):
            read(path)


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    for name, message in {
        "none.jpg": "no such file",
        "folder.jpg": "a folder, not a picture",
        "pipe.jpg": "a pipe or a device, not a picture",
        "link.jpg": "a link to nothing",
    }.items():
        with pytest.raises(DatasetError, match=f"{name}: {message}"):
            FileImage(tmp_path / name).load()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_truncated_picture_passes_its_header_and_is_refused_when_decoded(tmp_path, suffix):
    path = tmp_path / f"one.{suffix}"
    Image.effect_noise((200, 200), 90).save(path)
    path.write_bytes(path.read_bytes()[:4000])
    check_header(path)
    with pytest.raises(DatasetError, match=rf"one\.{suffix}: truncated, corrupt .*Fetch it again"):
        FileImage(path).load()


@pytest.mark.parametrize("size", [(10_000, 5_001), (10_000, 10_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_from_its_header(tmp_path, size):
    path = header_only_png(tmp_path / "one.png", *size)
    with pytest.raises(DatasetError, match=r"one\.png: .*more than the limit of 50 megapixels"):
        check_header(path)


def test_the_largest_size_that_is_allowed_passes_the_header(tmp_path):
    check_header(header_only_png(tmp_path / "one.png", 10_000, 5_000))


@pytest.mark.parametrize("size", [(1, 201), (402, 2), (40_000, 40)])
def test_a_strip_that_the_model_cannot_resize_is_refused_from_its_header(tmp_path, size):
    path = header_only_png(tmp_path / "one.png", *size)
    with pytest.raises(ImageError, match=r"one\.png: .* is a strip, more than 200 times as long as wide") as caught:
        check_header(path)
    assert caught.value.defect == DefectKind.IMAGE_STRIP
    Image.new("RGB", (2, 400)).save(path)
    assert FileImage(path).load().size == (2, 400)


@pytest.mark.parametrize("size", [(1, 1), (9, 27), (13, 2500), (5, 1000), (200, 1)])
def test_a_tiny_picture_is_scaled_up_by_the_processor_to_at_least_four_tokens(tmp_path, size):
    Image.effect_noise(size, 60).save(tmp_path / "one.png")
    processed = Qwen2VLImageProcessorPil(min_pixels=56 * 56)(FileImage(tmp_path / "one.png").load())
    _, rows, columns = processed["image_grid_thw"][0]
    assert rows * columns >= 16  # patches, four to a token
    assert len(processed["pixel_values"]) == rows * columns


def test_a_fault_survives_pickling_with_its_kind():
    fault = pickle.loads(pickle.dumps(ImageError("a.jpg: damaged", DefectKind.IMAGE_DAMAGED)))  # noqa: S301 (our own bytes)
    assert (str(fault), fault.defect) == ("a.jpg: damaged", "image-damaged")


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_gray_of_thirty_two_bits_has_no_agreed_white(tmp_path, kind):
    path = tmp_path / "one.tiff"
    Image.fromarray(GRAY.astype(kind)).save(path)
    with pytest.raises(DatasetError, match=r"one\.tiff: gray values of 32 bits"):
        FileImage(path).load()


def encoded(suffix: str) -> bytes:
    buffer = io.BytesIO()
    ImageOps.scale(Image.fromarray(RGB), 0.5).save(buffer, format=suffix)
    return buffer.getvalue()


ENCODED = [encoded(suffix) for suffix in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spoilt") / "one"


@pytest.mark.medium
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    whole=st.sampled_from(ENCODED),
    cut=st.integers(0, 2000),
    spoilt=st.dictionaries(st.integers(0, 400), st.integers(0, 255), max_size=6),
)
def test_any_bytes_give_a_picture_or_a_dataset_error(scratch, whole, cut, spoilt):
    content = bytearray(whole[: len(whole) - cut] if cut < len(whole) else whole)
    for place, value in spoilt.items():
        if place < len(content):
            content[place] = value
    scratch.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damage that it can pass over
        try:
            outcome = FileImage(scratch).load().mode
        except DatasetError as error:
            outcome = str(error)
    assert outcome == "RGB" or outcome.startswith(f"{scratch}: ")
