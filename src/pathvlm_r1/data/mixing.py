"""Items of several sources in one endless order, drawn by weight: a pure function of seed and position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.data.stream import shuffled_index

CHUNK = 1024  # positions whose sources are drawn together


class WeightedOrder:
    """The item at any position: its source is drawn by weight, and each source is gone through epoch by epoch.

    order = WeightedOrder({"a": first, "b": others}, {"a": 3, "b": 1}, seed=0)
    order(17)  # the same in every process and after every interruption

    Args:
        sources: name -> items, none of them empty.
        weights: name -> how often it is drawn, relative to the others.
        seed: of the draws and of each source's epochs.
    """

    def __init__(self, sources: Mapping[str, Sequence[Any]], weights: Mapping[str, float], *, seed: int) -> None:
        self.items = [sources[name] for name in sources]
        shares = np.array([weights[name] for name in sources], dtype=np.float64)
        self._bounds = np.cumsum(shares / shares.sum())
        self.seed = seed
        self._before: list[NDArray[np.int64]] = [np.zeros(len(self.items), dtype=np.int64)]  # a row for each chunk
        self._chunk = lru_cache(maxsize=4)(self._drawn)

    def __call__(self, position: int) -> Any:
        chunk, place = divmod(position, CHUNK)
        drawn = self._chunk(chunk)
        source = int(drawn[place])
        turn = int(self._drawn_before(chunk)[source]) + int((drawn[:place] == source).sum())
        items = self.items[source]
        return items[shuffled_index(len(items), turn, seed=self.seed)]

    def _drawn(self, chunk: int) -> NDArray[np.int64]:
        """[CHUNK]: the source of each position of a chunk."""
        draws = np.random.default_rng((self.seed, 1, chunk)).random(CHUNK)
        return np.minimum(np.searchsorted(self._bounds, draws, side="right"), len(self.items) - 1)

    def _drawn_before(self, chunk: int) -> NDArray[np.int64]:
        """How often each source was drawn before a chunk; counted once, from the first chunk on."""
        while len(self._before) <= chunk:
            counts = np.bincount(self._drawn(len(self._before) - 1), minlength=len(self.items))
            self._before.append(self._before[-1] + counts)
        return self._before[chunk]


def interleaved(sources: Sequence[Sequence[Any]]) -> list[Any]:
    """All items once, those of each source in their order and evenly spread, so that a beginning has some of each."""
    placed = [((place + 0.5) / len(items), number, item) for number, items in enumerate(sources)
              for place, item in enumerate(items)]  # fmt: skip
    return [item for _, _, item in sorted(placed, key=lambda one: one[:2])]
