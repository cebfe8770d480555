"""Defects that no record shows by itself: what two records, or two splits, have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pathvlm_r1.data.defects import Action, Defect, DefectKind
from pathvlm_r1.data.integrity.keys import PictureKeys
from pathvlm_r1.data.records import normalised
from pathvlm_r1.data.sample import Sample

Keys = Mapping[str, Sequence[PictureKeys]]  # sample id -> the keys of its pictures, in their order
Splits = Mapping[str, Sequence[Sample]]  # in the order in which a copy is left out first: the last split keeps its own


def record_defects(splits: Splits, keys: Keys) -> list[Defect]:
    """What comparing the records finds.

    Args:
        splits: samples whose pictures can be opened, training splits before those that score.
        keys: of every sample.
    """
    found = [*_questions_again(splits, keys), *_pictures_of_two_names(splits, keys), *_names_of_two(splits, keys)]
    return [*found, *_pictures_of_two_splits(splits, keys)]


def repeated_ids(splits: Splits) -> list[Defect]:
    """Records whose id another has too: nobody can tell which of them is meant, so none can be used."""
    places: dict[str, list[str]] = {}
    for split, sample in _all(splits):
        places.setdefault(sample.sample_id, []).append(split)
    return [
        Defect(
            record=record, file="", defect=DefectKind.DUPLICATE_ID, action="error",
            message=f"{len(where)} records have this id ({', '.join(where)}). Give every record an id of its own.",
        )
        for record, where in places.items()
        if len(where) > 1
    ]  # fmt: skip


def _questions_again(splits: Splits, keys: Keys) -> Iterator[Defect]:
    """Of records that ask the same of the same pictures, the last one stands: a test keeps what training loses."""
    last: dict[tuple[object, ...], tuple[str, Sample]] = {}
    for split, sample in reversed(list(_all(splits))):
        asked = (tuple(key.pixels for key in keys[sample.sample_id]), normalised(sample.question))
        if asked not in last:
            last[asked] = (split, sample)
            continue
        other_split, other = last[asked]
        place = f"{other.sample_id} of {other_split}"
        if split != other_split:
            message = f"{split}: asks what {place} asks of the same picture. Leave it out of one of the splits."
            yield _defect(sample, DefectKind.QUESTION_IN_TWO_SPLITS, message, "error")
        elif _answer(sample) != _answer(other):
            message = f"{split}: asks what {place} asks, and has another answer. Find out which one is right."
            yield _defect(sample, DefectKind.ANSWERS_DIFFER, message, "error")
        else:
            yield _defect(
                sample, DefectKind.DUPLICATE_QUESTION, f"{split}: the same as {place}, which is kept.", "skip"
            )


def _answer(sample: Sample) -> str:
    return normalised(sample.option(sample.answer))


def _pictures_of_two_names(splits: Splits, keys: Keys) -> Iterator[Defect]:
    first: dict[str, tuple[Path, str]] = {}
    for split, sample, key in _pictures(splits, keys):
        if key.path is None:
            continue
        path, place = first.setdefault(key.pixels, (key.path, f"{sample.sample_id} of {split}"))
        if path != key.path:
            message = f"{split}: the picture is also {path} ({place}). Splits must not part them."
            yield _defect(sample, DefectKind.IMAGE_OF_TWO_NAMES, message, "warn", key.path)


def _names_of_two(splits: Splits, keys: Keys) -> Iterator[Defect]:
    first: dict[str, tuple[Path, str]] = {}
    for split, sample, key in _pictures(splits, keys):
        if key.path is None:
            continue
        path, pixels = first.setdefault(key.path.name, (key.path, key.pixels))
        if pixels != key.pixels:
            message = f"{split}: {path} has this name and shows something else. Never match pictures by name here."
            yield _defect(sample, DefectKind.NAME_OF_TWO_IMAGES, message, "warn", key.path)


def _pictures_of_two_splits(splits: Splits, keys: Keys) -> Iterator[Defect]:
    last: dict[str, tuple[str, str]] = {}
    for split, sample, key in reversed(list(_pictures(splits, keys))):
        other_split, other = last.setdefault(key.pixels, (split, sample.sample_id))
        if other_split != split:
            message = (
                f"{split}: its picture stands in {other_split} too ({other}). A score there says less: make splits "
                "that share none with task=split."
            )
            yield _defect(sample, DefectKind.IMAGE_IN_TWO_SPLITS, message, "warn", key.path)


def _all(splits: Splits) -> Iterator[tuple[str, Sample]]:
    return ((split, sample) for split, samples in splits.items() for sample in samples)


def _pictures(splits: Splits, keys: Keys) -> Iterator[tuple[str, Sample, PictureKeys]]:
    """Every picture of every sample; one of several questions stands once."""
    seen: set[tuple[str, object]] = set()
    for split, sample in _all(splits):
        for key in keys[sample.sample_id]:
            place = (split, key.path or key.pixels)
            if place not in seen:
                seen.add(place)
                yield split, sample, key


def _defect(sample: Sample, defect: DefectKind, message: str, action: Action, path: Path | None = None) -> Defect:
    return Defect(sample.sample_id, "" if path is None else str(path), defect, message, action)
