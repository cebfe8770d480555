"""`task=audit`: what the splits of datasets share, what text alone scores, as tables, one HTML page and JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from rich import get_console
from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.assembly.data_reading import verified, worker_count
from pathvlm_r1.assembly.data_split import sharing_of
from pathvlm_r1.assembly.datasets import named_dataset
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.config import AuditConfig, ConfigError
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.integrity import (
    Audit,
    Floors,
    Overlap,
    Picture,
    PictureKeys,
    Sharing,
    Verified,
    audit_page,
    compared,
    component_labels,
    floors,
    open_pictures,
    overlaps_of,
    pictures_of,
)
from pathvlm_r1.tracking import say, write_json, write_text

PRETRAINING = "pretraining"
_HASH = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class _Set:
    """A dataset that was opened."""

    name: str
    result: Verified


def audit_dataset(config: AuditConfig) -> int:
    """Audit a dataset, show what was found, and write the page and its numbers.

    Returns:
        The status, 0: an overlap is for a person to judge.

    Raises:
        ConfigError, TrackingError: `against`, `pretraining` or `out` cannot be used; before a picture is opened.
        DatasetError: the list of pretraining pictures cannot be read.
    """
    page = cast("Path", out_file(config.out, example="audit.html"))
    sharing = sharing_of(config.keys, config.near_threshold, config.name_parts, config.case_pattern)
    others = [named_dataset(one, "against") for one in config.against]
    listed = [] if config.pretraining is None else _read_list(Path(config.pretraining).expanduser())
    sets = [
        _Set(one.name, verified(one, workers=config.workers, with_look="near" in config.keys))
        for one in (config.dataset, *others)
    ]
    audit = _audit(config, sharing, sets, listed)
    write_text(page, audit_page(audit))
    write_json(page.with_suffix(".json"), as_json(audit))
    _show(audit)
    say(f"{page}, and the numbers in {page.with_suffix('.json')}")
    return 0


def as_json(audit: Audit) -> dict[str, object]:
    """All numbers and all pairs, without the pictures."""
    return {
        "dataset": audit.dataset,
        "collections": audit.collections,
        "remarks": list(audit.remarks),
        "floors": {name: _floor_values(one) for name, one in audit.floors.items()},
        "overlaps": [
            {"left": one.left, "right": one.right, "key": one.key, "count": len(one.pairs), "pairs": _rows(one)}
            for one in audit.overlaps
        ],
    }


def _audit(config: AuditConfig, sharing: Sharing, sets: Sequence[_Set], listed: Sequence[Picture]) -> Audit:
    collections = {
        f"{one.name}/{split}": pictures_of(samples, one.result.keys, sharing)
        for one in sets
        for split, samples in one.result.splits.items()
        if samples
    }
    remarks = [
        f"{one.name}: {len({defect.record for defect in one.result.defects})} records have a defect and are not in "
        "these numbers (task=verify lists them)"
        for one in sets
        if one.result.defects
    ]
    if config.pretraining is not None:
        collections[PRETRAINING] = _opened(
            listed, sharing, worker_count(config.workers), with_look="near" in config.keys
        )
        remarks.append(_said_of(collections[PRETRAINING], config.pretraining))
    return Audit(
        dataset=config.dataset.name,
        collections={name: len(pictures) for name, pictures in collections.items()},
        floors={
            name: floor for one in sets for name, floor in _floors(one, folds=config.folds, seed=config.seed).items()
        },
        overlaps=overlaps_of(collections, sharing),
        remarks=remarks,
    )


def _floors(one: _Set, *, folds: int, seed: int) -> dict[str, Floors | None]:
    """Of the whole set and of each split, by images whatever their files are called."""
    samples = one.result.samples
    exact = Sharing(keys=("pixels",), near_threshold=0, name_parts=1, case_pattern=None)
    labels = component_labels(samples, one.result.keys, exact).tolist() if samples else []
    label_of = {sample.sample_id: label for sample, label in zip(samples, labels, strict=True)}

    def of(some: Sequence[Sample]) -> Floors | None:
        return floors(some, [label_of[sample.sample_id] for sample in some], folds=folds, seed=seed)

    parts = {f"{one.name}/{split}": members for split, members in one.result.splits.items() if members}
    return {one.name: of(samples)} | {name: of(members) for name, members in parts.items()}


def _read_list(path: Path) -> list[Picture]:
    """A picture for every line that is not empty; a path leads from the folder of the list."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"pretraining={path}: cannot be read ({error}). Give a text file, a picture a line."
        raise DatasetError(message) from error
    found = [_listed(line.strip(), path.parent) for line in lines if line.strip()]
    if not found:
        raise ConfigError(f"pretraining={path}: has no line; leave the key out, or list pictures")
    return found


def _listed(line: str, folder: Path) -> Picture:
    if _HASH.fullmatch(line):
        return Picture(line, None, PictureKeys(None, line.lower(), "", b""), {})
    path = folder / line
    return Picture(line, FileImage(path) if path.is_file() else None, PictureKeys(path, None, "", b""), {})


def _opened(listed: Sequence[Picture], sharing: Sharing, workers: int, *, with_look: bool) -> list[Picture]:
    """The same with all that their files tell; one that cannot be opened keeps its name."""
    sources = [picture.source for picture in listed if picture.source is not None]
    opened = open_pictures(sources, workers=workers, with_look=with_look)
    found = []
    for picture in listed:
        one = None if picture.source is None else next(opened)
        keys = picture.keys if one is None or one.keys is None else one.keys
        source = None if one is None or one.keys is None else picture.source
        found.append(Picture(picture.record, source, keys, compared(keys, sharing)))
    return found


def _said_of(pictures: Sequence[Picture], path: str) -> str:
    files = sum(picture.source is not None for picture in pictures)
    hashes = sum(picture.source is None and picture.keys.content is not None for picture in pictures)
    names = len(pictures) - files - hashes
    return (
        f"{path} lists {len(pictures)} pictures: {files} that were opened, {hashes} hashes, and {names} that are "
        "compared by name alone"
    )


def _floor_values(one: Floors | None) -> dict[str, object] | None:
    return None if one is None else asdict(one) | {"sentence": one.sentence, "best": list(one.best)}


def _rows(overlap: Overlap) -> list[dict[str, object]]:
    return [
        {
            "left": pair.left.record, "right": pair.right.record, "distance": pair.distance,
            "files": [str(one.keys.path) if one.keys.path is not None else None for one in (pair.left, pair.right)],
        }
        for pair in overlap.pairs
    ]  # fmt: skip


def _show(audit: Audit) -> None:
    for name, one in audit.floors.items():
        said = "no two images have questions with options" if one is None else one.sentence
        say(f"{name}: {said}")
    table = Table("shared by", *dict.fromkeys(one.key for one in audit.overlaps), box=SIMPLE, pad_edge=False)
    counts: dict[tuple[str, str], list[str]] = {}
    for overlap in audit.overlaps:
        counts.setdefault((overlap.left, overlap.right), []).append(str(len(overlap.pairs)))
    for (left, right), row in counts.items():
        table.add_row(f"{left} and {right}", *row)
    get_console().print(table)
    say(*audit.remarks)
