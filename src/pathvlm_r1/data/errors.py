"""The error of every dataset reader, and the way to report the faults of one folder together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MAX_LISTED = 20  # a folder that is missing as a whole must not print a line per picture


class DatasetError(ValueError):
    """A dataset that cannot be used as it is; the message names the place, what is wrong and what to do."""


@dataclass
class Faults:
    """Gathers dataset errors so that one run of a reader reports all of them.

    with faults.gathered():
        check_header(path)
    faults.raise_any("dataset.root /data/bccd")
    """

    found: list[str] = field(default_factory=list)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Note a `DatasetError` of the block and go on after it; any other exception passes."""
        try:
            yield
        except DatasetError as error:
            self.found.append(str(error))

    def raise_any(self, place: str) -> None:
        """Raise what was gathered, if anything, as one error.

        Raises:
            DatasetError: the number of faults and the first `MAX_LISTED`, one a line.
        """
        if not self.found:
            return
        lines = [f"{place}: {len(self.found)} fault{'s' if len(self.found) > 1 else ''}", *self.found[:MAX_LISTED]]
        if len(self.found) > MAX_LISTED:
            lines.append(f"... and {len(self.found) - MAX_LISTED} more")
        raise DatasetError("\n  ".join(lines))
