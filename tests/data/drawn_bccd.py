"""Draws a folder in BCCD's format: 42 tiny blood smears with their annotations and lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = (64, 48)
SLOT = 8  # pixels per cell: 8 x 6 slots
SLOTS = 48
RADIUS = {"RBC": 3, "WBC": 3, "Platelets": 1}
COLOUR = {"RBC": (214, 140, 130), "WBC": (90, 60, 170), "Platelets": (120, 80, 190)}
UNBOXED = "BloodImage_00023"  # shows red cells that its annotation leaves out, as 15 of the real photographs do


def draw_bccd(root: Path) -> Path:
    """The folder, filled: 24 train, 9 val and 9 test photographs; every answer is right for some in each list."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    listed: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number, (name, counts) in enumerate(_fields()):
        image_id = f"BloodImage_{number:05d}"
        listed[name].append(image_id)
        boxes = _boxes(counts)
        _picture(boxes).save(root / "JPEGImages" / f"{image_id}.jpg")
        boxed = [box for box in boxes if image_id != UNBOXED or box[0] != "RBC"]
        (root / "Annotations" / f"{image_id}.xml").write_text(annotation(boxed))
    for name, ids in listed.items():
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(ids) + "\n")
    return root


def annotation(boxes: list[tuple[str, int, int]]) -> str:
    """A VOC annotation of cells of given class at given corners."""
    objects = "".join(
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
        f"<xmax>{x + SLOT}</xmax><ymax>{y + SLOT}</ymax></bndbox>\n\t</object>\n"
        for name, x, y in boxes
    )
    return f"<annotation>\n\t<folder>JPEGImages</folder>\n{objects}</annotation>\n"


def _fields() -> Iterator[tuple[str, Mapping[str, int]]]:
    """List and cell counts of each photograph: four platelet answers crossed with four levels of red cells."""
    for platelets in (0, 1, 2, 3, 0, 0):
        for level in range(4):
            yield "train", _counts(platelets, level)
    for name in ("val", "test"):
        for shift in (0, 1):
            for platelets in range(4):
                yield name, _counts(platelets, (platelets + shift) % 4)
        yield name, _counts(0, 2)


def _counts(platelets: int, level: int) -> Mapping[str, int]:
    return {"RBC": 3 + 5 * level + platelets, "WBC": 1, "Platelets": platelets}


def _boxes(counts: Mapping[str, int]) -> list[tuple[str, int, int]]:
    names = [name for name, count in counts.items() for _ in range(count)]
    slots = [index * 11 % SLOTS for index in range(len(names))]  # 11 and 48 share no divisor: no slot twice
    columns = SIZE[0] // SLOT
    return [(name, slot % columns * SLOT, slot // columns * SLOT) for name, slot in zip(names, slots, strict=True)]


def _picture(boxes: list[tuple[str, int, int]]) -> Image.Image:
    picture = Image.new("RGB", SIZE, (235, 230, 225))
    draw = ImageDraw.Draw(picture)
    for name, x, y in boxes:
        centre = (x + SLOT // 2, y + SLOT // 2)
        draw.circle(centre, RADIUS[name], fill=COLOUR[name])
    return picture
