"""Where the findings of a phantom are to be seen, recorded while it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

Region = NDArray[np.bool_]  # [size, size]


class Regions:
    """The pixels that show each attribute; without a size nothing is recorded, and drawing costs no more.

    What a later step paints over is no longer seen, and leaves the regions of the attributes that the step is not of.
    The absence of something is nowhere: such a finding has no region.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = size
        self._seen: dict[str, Region] = {}

    def of(self, *attributes: str) -> Region:
        """Where any of these is seen [size, size].

        Raises:
            ValueError: nothing was recorded.
        """
        if self._size is None:
            raise ValueError("these regions have no size: nothing was recorded")
        nowhere: Region = np.zeros((self._size, self._size), dtype=np.bool_)
        union: Region = np.logical_or.reduce([self._seen.get(name, nowhere) for name in attributes] or [nowhere])
        return union

    def add(self, where: Callable[[], NDArray[np.generic]], *attributes: str, covers: bool = True) -> None:
        """Pixels [size, size] or [size, size, 1] are painted and show the attributes.

        Args:
            where: gives them, as a mask or as a coverage, which is one from a half on.
            attributes: what they show.
            covers: whether what was there before is no longer seen.
        """
        if self._size is None:
            return
        painted = where().reshape(self._size, self._size) >= 0.5  # type: ignore[operator]
        if covers:
            self._seen = {attribute: before & ~painted for attribute, before in self._seen.items()}
        self._seen |= {attribute: self.of(attribute) | painted for attribute in attributes}

    @contextmanager
    def drawn(self, pixels: Callable[[], NDArray[np.generic]], *attributes: str) -> Iterator[None]:
        """The pixels [size, size, channels] that the steps within change show the attributes."""
        if self._size is None:
            yield
            return
        before = pixels()
        yield
        self.add(lambda: (pixels() != before).any(axis=-1), *attributes)
