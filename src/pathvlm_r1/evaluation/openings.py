"""The register of sealed tests: which checkpoint was shown one, when, and with which settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from pathvlm_r1.tracking import TrackingError, append_text, ensure_writable, sync

REGISTER = "sealed_test_openings.jsonl"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One checkpoint that was shown a sealed test: a line of the register."""

    opened_at: str  # ISO 8601, UTC
    dataset: str
    data_hash: str
    questions: int
    arm: str
    seed: int
    checkpoint: str
    checkpoint_hash: str
    config: Mapping[str, Any]  # of the whole evaluation


def register(folder: Path, openings: Sequence[Opening]) -> Path:
    """Add lines to the register of a folder, all together, whoever else writes to it; gives its path.

    Raises:
        TrackingError: they cannot be written.
    """
    ensure_writable(folder)
    path = folder / REGISTER
    lines = "".join(f"{json.dumps(asdict(opening))}\n" for opening in openings)
    with FileLock(path.with_name(f".{path.name}.lock")):
        append_text(path, lines)
        sync(path)
    return path


def openings_below(folder: Path) -> list[Opening]:
    """All that the registers anywhere below a folder hold, by time.

    Raises:
        TrackingError: a line is none of a register.
    """
    found = [opening for path in sorted(folder.rglob(REGISTER)) for opening in _lines(path)]
    return sorted(found, key=lambda opening: opening.opened_at)


def _lines(path: Path) -> list[Opening]:
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(Opening(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise TrackingError(
                f"{path}:{number}: no line of the register of sealed tests ({error!r}). Bring it back as it was."
            ) from error
    return found
