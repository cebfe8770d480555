"""Questions that no two splits may part: connected by a picture, by what it is known by, or by a case."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pathvlm_r1.data.integrity.keys import PictureKeys
from pathvlm_r1.data.integrity.look import near_pairs, stacked
from pathvlm_r1.data.sample import Sample

KeyName = Literal["name", "content", "pixels", "near", "case"]
KEY_NAMES: tuple[KeyName, ...] = get_args(KeyName)

Value = tuple[str, Hashable]  # the name of a key and what two pictures share


@dataclass(frozen=True)
class Sharing:
    """By what two questions belong together, besides their `image_id`."""

    keys: tuple[KeyName, ...]
    near_threshold: int  # bits of the perceptual hash that may differ, of 256
    name_parts: int  # last parts of a path that make a name: 1 is the file's own
    case_pattern: str | None  # searched in a picture's path; its first group names patient, case or slide

    def values(self, sample: Sample, keys: Sequence[PictureKeys]) -> Iterator[Value]:
        """What a question may share with another, but for the look of its pictures."""
        yield "image", (sample.dataset, sample.image_id)
        for picture in keys:
            found = {
                "name": self.name_of(picture), "content": picture.content, "pixels": picture.pixels,
                "case": self.case_of(sample, picture),
            }  # fmt: skip
            yield from ((key, value) for key, value in found.items() if key in self.keys and value is not None)

    def name_of(self, picture: PictureKeys) -> str | None:
        """The last parts of the picture's path."""
        return None if picture.path is None else "/".join(picture.path.parts[-self.name_parts :])

    def case_of(self, sample: Sample, picture: PictureKeys) -> str | None:
        """The patient, case or slide that a picture is of, by its path or, without one, by the image's id."""
        if self.case_pattern is None:
            return None
        found = re.search(self.case_pattern, sample.image_id if picture.path is None else picture.path.as_posix())
        return None if found is None else f"{sample.dataset}/{found[1] if found.re.groups else found[0]}"


def component_labels(
    samples: Sequence[Sample], keys: Mapping[str, Sequence[PictureKeys]], sharing: Sharing
) -> NDArray[np.int64]:
    """The component of every sample, numbered from 0.

    Args:
        samples: in any order; their ids are unique.
        keys: of their pictures, by sample id; with looks where `near` is among the keys of `sharing`.
        sharing: what connects two samples.
    """
    nodes: dict[Value, int] = {}
    edges: list[tuple[int, int]] = []
    for index, sample in enumerate(samples):
        for value in sharing.values(sample, keys[sample.sample_id]):
            edges.append((index, len(samples) + nodes.setdefault(value, len(nodes))))
    if "near" in sharing.keys:
        edges += _near_edges(samples, keys, sharing.near_threshold)
    size = len(samples) + len(nodes)
    rows, columns = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges), dtype=bool), (rows, columns)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(samples)]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _near_edges(
    samples: Sequence[Sample], keys: Mapping[str, Sequence[PictureKeys]], threshold: int
) -> Iterator[tuple[int, int]]:
    """Between samples whose pictures look alike; a picture of several samples is compared once."""
    first: dict[bytes, int] = {}
    for index, sample in enumerate(samples):
        for picture in keys[sample.sample_id]:
            if picture.look in first:
                yield first[picture.look], index
            first.setdefault(picture.look, index)
    owners = list(first.values())
    for pair in near_pairs(stacked(list(first)), threshold):
        yield owners[pair.left], owners[pair.right]
