"""The file that a task writes its result to, checked before anything is spent on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pathvlm_r1.config import ConfigError
from pathvlm_r1.tracking import ensure_writable


def out_file(out: str | None, *, example: str, sources: Sequence[Path] = ()) -> Path | None:
    """Where `out=` leads; an older file there will be replaced.

    Args:
        out: as typed; None where nothing is to be written.
        example: of a file's name, for who has named a folder.
        sources: what is read, and must not be written over.

    Raises:
        ConfigError: it is a folder, or one of the sources.
        TrackingError: its folder cannot be written to.
    """
    if out is None:
        return None
    path = Path(out).expanduser()
    if path.is_dir():
        raise ConfigError(f"out={out}: is a folder; name a file in it, out={path / example}")
    if path.resolve() in [source.resolve() for source in sources]:
        raise ConfigError(f"out={out}: is the file of completions; name another one")
    ensure_writable(path.parent)
    return path
