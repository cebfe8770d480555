"""Pictures that two collections share: by name, bytes, pixels and case, and those that look alike."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from pathvlm_r1.data.integrity.components import KeyName, Sharing
from pathvlm_r1.data.integrity.keys import PictureKeys
from pathvlm_r1.data.integrity.look import Looks, near_between, stacked
from pathvlm_r1.data.sample import ImageSource, Sample


@dataclass(frozen=True)
class Picture:
    """One picture of a collection, under the first record that shows it."""

    record: str
    source: ImageSource | None  # None: only a name or a hash of it is known
    keys: PictureKeys
    values: Mapping[str, Hashable]  # by what it is compared, key by key


@dataclass(frozen=True)
class SharedPair:
    """A picture of each collection that are one by a key."""

    left: Picture
    right: Picture
    distance: int | None  # bits that differ; None: they are equal by the key


@dataclass(frozen=True)
class Overlap:
    """What two collections share by one key; each shared value stands once."""

    left: str
    right: str
    key: KeyName
    pairs: tuple[SharedPair, ...]  # the nearest first


def pictures_of(
    samples: Sequence[Sample], keys: Mapping[str, Sequence[PictureKeys]], sharing: Sharing
) -> list[Picture]:
    """The pictures of samples, one of several questions once."""
    found: dict[Hashable, Picture] = {}
    for sample in samples:
        for source, picture in zip(sample.images, keys[sample.sample_id], strict=True):
            values = compared(picture, sharing) | {"case": sharing.case_of(sample, picture)}
            found.setdefault(picture.path or picture.pixels, Picture(sample.sample_id, source, picture, values))
    return list(found.values())


def compared(picture: PictureKeys, sharing: Sharing) -> dict[str, Hashable]:
    """The values of a picture that an equal one has too; what is not known of it is None."""
    return {"name": sharing.name_of(picture), "content": picture.content, "pixels": picture.pixels or None}


def overlaps_of(collections: Mapping[str, Sequence[Picture]], sharing: Sharing) -> list[Overlap]:
    """The overlap of every two collections by every key of `sharing`, also where there is none."""
    return [
        Overlap(left, right, key, _pairs(collections[left], collections[right], key, sharing.near_threshold))
        for left, right in combinations(collections, 2)
        for key in sharing.keys
    ]


def _pairs(left: Sequence[Picture], right: Sequence[Picture], key: KeyName, threshold: int) -> tuple[SharedPair, ...]:
    if key == "near":
        return _looking_alike(left, right, threshold)
    mine, theirs = _by_value(left, key), _by_value(right, key)
    return tuple(SharedPair(mine[value], theirs[value], None) for value in mine if value in theirs)


def _by_value(pictures: Sequence[Picture], key: str) -> dict[Hashable, Picture]:
    found: dict[Hashable, Picture] = {}
    for picture in pictures:
        value = picture.values.get(key)
        if value is not None:
            found.setdefault(value, picture)
    return found


def _looking_alike(left: Sequence[Picture], right: Sequence[Picture], threshold: int) -> tuple[SharedPair, ...]:
    """Pairs within the threshold; pictures of equal looks within a collection stand for each other."""
    mine, theirs = _by_look(left), _by_look(right)
    pairs = [
        SharedPair(mine[near.left], theirs[near.right], near.distance)
        for near in near_between(_stacked(mine), _stacked(theirs), threshold)
    ]
    return tuple(sorted(pairs, key=lambda pair: pair.distance or 0))


def _by_look(pictures: Sequence[Picture]) -> list[Picture]:
    found: dict[bytes, Picture] = {}
    for picture in pictures:
        if picture.keys.look:
            found.setdefault(picture.keys.look, picture)
    return list(found.values())


def _stacked(pictures: Sequence[Picture]) -> Looks:
    return stacked([picture.keys.look for picture in pictures])
