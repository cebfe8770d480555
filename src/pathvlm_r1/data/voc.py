"""Folders in the Pascal VOC layout: JPEGImages, Annotations (XML) and ImageSets/Main (lists of ids).

Source: Everingham et al. 2010, The PASCAL Visual Object Classes Challenge, doi:10.1007/s11263-009-0275-4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.data.errors import DatasetError, Faults
from pathvlm_r1.data.images import FileImage, check_header

BOX_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels counted from 1, its sides included, as the format has them."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class BoxRegion:
    """The boxes of one class on a photograph: where it shows what decides a question about them."""

    photograph: Photograph
    class_name: str

    def load(self) -> NDArray[np.bool_]:
        """[H, W]; a box that reaches over the edge ends there.

        Raises:
            DatasetError: the annotation or the photograph cannot be read.
        """
        width, height = FileImage(self.photograph.path).load().size
        region: NDArray[np.bool_] = np.zeros((height, width), dtype=np.bool_)
        for box in boxes_of(self.photograph.annotation, self.class_name):
            region[max(box.top - 1, 0) : box.bottom, max(box.left - 1, 0) : box.right] = True
        return region


@dataclass(frozen=True)
class Photograph:
    """One picture of a VOC folder and how many objects of each class its annotation has."""

    image_id: str
    path: Path
    counts: Mapping[str, int]  # every class of the dataset, 0 where it has no box

    @property
    def annotation(self) -> Path:
        """The file of its boxes."""
        return self.path.parents[1] / "Annotations" / f"{self.image_id}.xml"


def read_folder(root: Path, *, lists: Sequence[str], classes: Collection[str]) -> dict[str, tuple[Photograph, ...]]:
    """The photographs of each list, in its order; no picture is decoded.

    Args:
        root: the folder that holds JPEGImages, Annotations and ImageSets.
        lists: names of files in ImageSets/Main without `.txt`; no id may stand in two of them.
        classes: the class names that an annotation may have.

    Raises:
        DatasetError: all faults of lists, pictures and annotations together, each with its file and line.
    """
    faults = Faults()
    photographs: dict[str, list[Photograph]] = {name: [] for name in lists}
    for image_id, name in _listed(root / "ImageSets" / "Main", lists, faults).items():
        image = root / "JPEGImages" / f"{image_id}.jpg"
        with faults.gathered():
            check_header(image)
        with faults.gathered():
            counts = count_objects(root / "Annotations" / f"{image_id}.xml", classes)
            photographs[name].append(Photograph(image_id, image, counts))
    faults.raise_any(str(root))
    return {name: tuple(members) for name, members in photographs.items()}


def count_objects(path: Path, classes: Collection[str]) -> dict[str, int]:
    """How many objects of each class an annotation file has; nested parts of an object do not count.

    Raises:
        DatasetError: missing, malformed, with a DOCTYPE, without an object, or with a class that is not in `classes`.
    """
    names = [(found.line, found.name.strip()) for found in _objects(path)]
    if not names:
        raise DatasetError(f"{path}: no object with a box. Annotate the picture, or take its id out of the lists.")
    unknown = [f"{path}:{line}: unknown class {name!r}" for line, name in names if name not in classes]
    if unknown:
        raise DatasetError("; ".join(unknown) + f". Known are {', '.join(classes)}: correct the annotation.")
    found = [name for _, name in names]
    return {known: found.count(known) for known in classes}


def boxes_of(path: Path, class_name: str) -> list[Box]:
    """The boxes of one class in an annotation file.

    Raises:
        DatasetError: as `count_objects`, or a box without four whole numbers; names file and line.
    """
    boxes = []
    for found in _objects(path):
        if found.name.strip() == class_name:
            sides = [found.sides.get(name, "").strip() for name in BOX_SIDES]
            if not all(side.isdecimal() for side in sides):
                raise DatasetError(
                    f"{path}:{found.line}: a box with {', '.join(BOX_SIDES)} {sides}: four whole numbers are needed. "
                    "Correct the annotation."
                )
            left, top, right, bottom = map(int, sides)
            boxes.append(Box(left, top, right, bottom))
    return boxes


def _objects(path: Path) -> list[_Object]:
    """Every object of an annotation file."""
    reader = _ObjectReader(path)
    try:
        if not path.is_file():  # a FIFO would never end
            raise DatasetError(f"{path}: no such annotation file. Fetch it, or take its id out of the lists.")
        reader.parser.Parse(path.read_bytes(), True)  # noqa: FBT003 (expat takes no keyword)
    except expat.ExpatError as error:
        raise DatasetError(f"{path}:{error.lineno}: malformed XML ({error}). Fetch the file again.") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error}). Check the file and its rights.") from error
    return reader.objects


@dataclass
class _Object:
    """What stands between the tags of an object, as it stands there."""

    line: int
    name: str = ""
    sides: dict[str, str] = field(default_factory=dict)  # of its box, by tag


class _ObjectReader:
    """Handlers of the XML parser: expat knows the line of every element, the element tree forgets it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open_tags: list[str] = []
        self.objects: list[_Object] = []
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype
        self.parser.StartElementHandler = self.open_element
        self.parser.EndElementHandler = self.close_element
        self.parser.CharacterDataHandler = self.read_text

    def refuse_doctype(self, *_: object) -> None:
        raise DatasetError(
            f"{self.path}:{self.parser.CurrentLineNumber}: a DOCTYPE, which can name other files or expand without "
            "end. Remove it: an annotation needs none."
        )

    def open_element(self, tag: str, _: object) -> None:
        self.open_tags.append(tag)
        if tag == "object":
            self.objects.append(_Object(self.parser.CurrentLineNumber))

    def close_element(self, _: str) -> None:
        self.open_tags.pop()

    def read_text(self, text: str) -> None:
        if self.open_tags[-2:] == ["object", "name"]:
            self.objects[-1].name += text
        if self.open_tags[-3:-1] == ["object", "bndbox"]:
            side = self.open_tags[-1]
            self.objects[-1].sides[side] = self.objects[-1].sides.get(side, "") + text


def _listed(folder: Path, lists: Sequence[str], faults: Faults) -> dict[str, str]:
    """The list of every id; the first place counts where an id stands twice."""
    owner: dict[str, str] = {}
    place: dict[str, str] = {}
    for name in lists:
        path = folder / f"{name}.txt"
        ids: list[tuple[int, str]] = []
        with faults.gathered():
            ids = _read_list(path)
        for line, image_id in ids:
            if image_id in place:
                faults.found.append(
                    f"{path}:{line}: {image_id} is already listed at {place[image_id]}. Keep it in one place: "
                    "splits must not share a photograph."
                )
            place.setdefault(image_id, f"{path}:{line}")
            owner.setdefault(image_id, name)
    return owner


def _read_list(path: Path) -> list[tuple[int, str]]:
    """Line and id of every entry of a list."""
    if not path.is_file():
        raise DatasetError(f"{path}: no such list. Fetch the dataset again.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}). Fetch the dataset again.") from error
    ids = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not ids:
        raise DatasetError(f"{path}: an empty list. Fetch the dataset again.")
    for number, image_id in ids:
        if Path(image_id).name != image_id:
            raise DatasetError(f"{path}:{number}: {image_id!r} is not the plain name of a photograph. Correct it.")
    return ids
