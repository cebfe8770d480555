"""A dataset verified: every record and every picture of every split, what is wrong with it, and what may be used."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pathvlm_r1.data.defects import Defect, ReadResult
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.integrity.keys import Opened, PictureKeys, identity, open_pictures, picture_defect
from pathvlm_r1.data.integrity.records import record_defects, repeated_ids
from pathvlm_r1.data.sample import ImageSource, Sample

Item = TypeVar("Item")
Progress = Callable[[Iterable[Item], int], Iterable[Item]]  # items and their number -> the items, shown as they pass


@dataclass(frozen=True)
class Verified:
    """What was found; `splits` and `keys` have the samples that nothing is wrong with."""

    splits: Mapping[str, list[Sample]]
    keys: Mapping[str, tuple[PictureKeys, ...]]  # sample id -> those of its pictures, in order
    defects: tuple[Defect, ...]  # records that cannot be used
    warnings: tuple[Defect, ...]  # records that were kept
    pictures: int  # that were opened

    @property
    def samples(self) -> list[Sample]:
        """Those of all splits."""
        return [sample for samples in self.splits.values() for sample in samples]

    @property
    def hash(self) -> str:
        """SHA-256 of all texts and pixels that are kept, whatever their order, files and encoding."""
        return verified_hash(self.samples, self.keys)


def verify(read: Mapping[str, ReadResult], *, workers: int, with_look: bool, progress: Progress[Opened]) -> Verified:
    """Open every picture once, compare the records, and keep what has no defect; nothing takes a dropped one's place.

    Args:
        read: a reader's result for every split, training splits before those that score.
        workers: threads that decode.
        with_look: whether pictures get their perceptual hash too.
        progress: shows how far the opening is.
    """
    splits = {split: result.samples for split, result in read.items()}
    found = [defect for result in read.values() for defect in result.defects] + repeated_ids(splits)
    splits = _without(splits, found)
    opened = _opened(splits, workers=workers, with_look=with_look, progress=progress)
    found += [defect for sample in _all(splits) for defect in _picture_defects(sample, opened)]
    splits = _without(splits, found)
    keys = {sample.sample_id: _keys(sample, opened) for sample in _all(splits)}
    found += record_defects(splits, keys)
    splits = _without(splits, found)
    return Verified(
        splits=splits,
        keys={sample.sample_id: keys[sample.sample_id] for sample in _all(splits)},
        defects=tuple(defect for defect in found if defect.action != "warn"),
        warnings=tuple(defect for defect in found if defect.action == "warn"),
        pictures=len(opened),
    )


def verified_hash(samples: Sequence[Sample], keys: Mapping[str, Sequence[PictureKeys]]) -> str:
    """SHA-256 of the texts and the pixels of samples, in the order of their ids."""
    digest = hashlib.sha256()
    for sample in sorted(samples, key=lambda sample: sample.sample_id):
        texts = [sample.sample_id, sample.question, list(sample.options), sample.answer, sample.rationale]
        row = [*texts, [key.pixels for key in keys[sample.sample_id]]]
        digest.update(json.dumps(row, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()


def counted(defects: Iterable[Defect]) -> dict[str, int]:
    """How many records have a kind of defect, the most frequent first."""
    pairs = {(defect.defect, defect.record) for defect in defects}
    counts = Counter(kind for kind, _ in pairs)
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _opened(
    splits: Mapping[str, Sequence[Sample]], *, workers: int, with_look: bool, progress: Progress[Opened]
) -> dict[object, Opened]:
    sources: dict[object, ImageSource] = {identity(image): image for sample in _all(splits) for image in sample.images}
    results = progress(open_pictures(sources.values(), workers=workers, with_look=with_look), len(sources))
    return dict(zip(sources, results, strict=True))


def _picture_defects(sample: Sample, opened: Mapping[object, Opened]) -> list[Defect]:
    found = []
    for image in sample.images:
        one, file = opened[identity(image)], str(image.path) if isinstance(image, FileImage) else ""
        if one.fault is not None:
            found.append(picture_defect(sample.sample_id, image, one.defect, one.fault))
        for remark in one.remarks:
            found.append(Defect(sample.sample_id, file, remark.defect, remark.message, "warn"))
    return found


def _keys(sample: Sample, opened: Mapping[object, Opened]) -> tuple[PictureKeys, ...]:
    found = (opened[identity(image)].keys for image in sample.images)
    return tuple(keys for keys in found if keys is not None)  # all are there: the others have left


def _without(splits: Mapping[str, Sequence[Sample]], defects: Iterable[Defect]) -> dict[str, list[Sample]]:
    """The samples that are named in no defect but warnings."""
    dropped = {defect.record for defect in defects if defect.action != "warn"}
    return {split: [one for one in samples if one.sample_id not in dropped] for split, samples in splits.items()}


def _all(splits: Mapping[str, Sequence[Sample]]) -> Iterable[Sample]:
    return (sample for samples in splits.values() for sample in samples)
