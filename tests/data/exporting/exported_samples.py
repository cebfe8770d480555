"""Samples of every kind that is exported, and what must come back of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from drawn_sets import draw
from PIL import Image

from pathvlm_r1.data import Sample
from pathvlm_r1.data.exporting import PictureFile, picture_file
from pathvlm_r1.data.images import FileImage


@dataclass(frozen=True)
class DrawnPicture:
    """A picture that stands in no file."""

    grey: int

    def load(self) -> Image.Image:
        return Image.new("RGB", (30, 30), (self.grey, 7, 9))


def sample(number: int, question: str, options: tuple[str, ...], answer: str, **more: object) -> Sample:
    given = {"rationale": "", "images": (DrawnPicture(number),), "question_type": "kind"} | more
    return Sample(sample_id=f"set/val/{number}", image_id=f"p{number}", dataset="mine", question=question,
                  options=options, answer=answer, **given)  # fmt: skip


def every_kind(folder: Path) -> list[Sample]:
    """Choices, closed and open questions, with reasoning and without, on drawn pictures, on files and on several."""
    for seed, name in enumerate(("a.jpg", "b.png")):
        draw(folder / name, seed)
    files = tuple(FileImage(folder / name) for name in ("a.jpg", "b.png"))
    thought = {"rationale": "The cells lie in nests. A) would show whorls, so it is the other."}
    return [
        sample(1, "Which pattern?", ("Whorled", "Nested (Zellballen)", "Both A and B"), "B", **thought),
        sample(2, "Is it benign?", ("yes", "no"), "B", question_type="closed"),
        sample(3, "Is it malignant?", ("no", "yes"), "B", **thought),
        sample(4, "What is shown?\nName it.", ("a gland, cut across",), "A", images=files[:1]),
        sample(5, "What is it called?", ("Größe 34 µm; κ",), "A", **thought),
        sample(6, "Which image differs, in stain?", ("the first image", "the second image"), "A", images=files),
        sample(7, "Wie viele?", tuple("123456789"), "I", images=(*files, DrawnPicture(3))),
    ]


def pictured(samples: list[Sample]) -> list[tuple[Sample, list[PictureFile]]]:
    return [(one, [picture_file(image) for image in one.images]) for one in samples]


def content(one: Sample) -> tuple[object, ...]:
    """All that an export keeps: not the dataset's name, nor the findings that no other program has."""
    pixels = tuple((image.load().size, image.load().tobytes()) for image in one.images)
    return one.question_type, one.question, one.options, one.answer, one.rationale, pixels
