"""`task=fetch`: a dataset into a folder, from an archive or from the Hugging Face hub, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from pathvlm_r1.assembly.hub import download
from pathvlm_r1.config import ConfigError, FetchConfig
from pathvlm_r1.data.archives import GIB, Limits, checked_entries, unpack
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import read_json
from pathvlm_r1.tracking import disk_faults_explained, ensure_writable, file_hash, progress_over, say, write_json

RECORD = ".fetched.json"  # in the folder: from where it is

Item = TypeVar("Item")


def fetch_dataset(config: FetchConfig) -> int:
    """Fetch a dataset, beside its place first and into it when it is whole; one that is there is left as it is.

    Returns:
        The status, 0.

    Raises:
        ConfigError: `out` is there and from elsewhere, or another fetch is at it.
        DatasetError: the archive is damaged or may not be unpacked, or the hub does not give the dataset.
        TrackingError: there is no room for it, or `out` cannot be written.
    """
    folder = Path(config.out).expanduser().absolute()
    identity = _identity(config)
    if _is_there(folder, identity, config):
        return 0
    ensure_writable(folder.parent)
    beside = folder.with_name(f".{folder.name}.fetching")
    lock = FileLock(f"{beside}.lock")
    try:
        with lock.acquire(timeout=0):
            try:
                _fetch(config, folder, beside, identity)
            finally:
                Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout as held:
        raise ConfigError(f"out={config.out}: another command fetches into it now; wait for its end") from held
    _say(config, folder)
    return 0


def _identity(config: FetchConfig) -> dict[str, object]:
    """What decides the content of the folder."""
    archives = dict(config.archives or {})
    if config.is_local:
        return {"sha256": file_hash(_archive(config)), "archives": archives}
    return {"id": config.source, "revision": config.revision, "files": list(config.files), "archives": archives}


def _archive(config: FetchConfig) -> Path:
    path = Path(config.source).expanduser()
    if not path.exists():
        raise ConfigError(f"source={config.source}: no such file, and no hub id, which owner/name would be")
    if not path.is_file():
        raise ConfigError(f"source={config.source}: is no file; a folder needs no fetching, give it as dataset.root")
    return path


def _is_there(folder: Path, identity: dict[str, object], config: FetchConfig) -> bool:
    """Whether the folder has this very dataset.

    Raises:
        ConfigError: it has something else.
    """
    if not folder.exists() and not folder.is_symlink():
        return False
    record = folder / RECORD
    found = read_json(record) if record.is_file() else None
    if not isinstance(found, dict):
        raise ConfigError(f"out={config.out}: is there already, and not from task=fetch; name another folder")
    if found.get("source") != identity:
        raise ConfigError(
            f"out={config.out}: is there already, from another source ({found.get('said')}); name another"
        )
    say(f"{config.out}: is there already, from {config.source}; nothing was fetched")
    return True


def _fetch(config: FetchConfig, folder: Path, beside: Path, identity: dict[str, object]) -> None:
    limits = Limits(round(config.max_gib * GIB), config.max_ratio)
    if config.is_local:
        shutil.rmtree(beside, ignore_errors=True)  # of a fetch that was killed
        _unpack(_archive(config), beside, limits)
    else:
        download(config.source, str(config.revision), config.files, beside)  # goes on with what is there
    try:
        for archive, place in (config.archives or {}).items():
            _unpack_within(beside, archive, beside / place, limits)
        said = config.source if config.revision is None else f"{config.source} at {config.revision}"
        write_json(beside / RECORD, {"source": identity, "said": said})
        with disk_faults_explained(folder, "nothing was put there"):
            beside.rename(folder)
    except BaseException:
        if config.is_local:
            shutil.rmtree(beside, ignore_errors=True)
        raise


def _unpack(archive: Path, folder: Path, limits: Limits) -> None:
    """Unpack into a new folder, or leave none."""
    _require_room(archive, folder.parent, limits)
    try:
        with disk_faults_explained(folder, "nothing was put there"):
            folder.mkdir()
            unpack(archive, folder, limits, partial(_shown, archive.name))
    except BaseException:  # Ctrl-C too
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack_within(beside: Path, name: str, place: Path, limits: Limits) -> None:
    """Unpack an archive of the dataset itself into its place, and remove it."""
    archive = beside / name
    if not archive.is_file():
        known = ", ".join(sorted(path.name for path in beside.iterdir())[:20])
        raise DatasetError(f"archives: {name} is not in the dataset; it has {known}")
    if place.exists():
        raise DatasetError(f"archives.{name}: {place.name} is in the dataset already; name another folder")
    unpacked = beside / f".{archive.name}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    _unpack(archive, unpacked, limits)
    with disk_faults_explained(place, "the folder of the dataset was not made"):
        place.parent.mkdir(parents=True, exist_ok=True)
        unpacked.rename(place)
        archive.unlink()


def _require_room(archive: Path, folder: Path, limits: Limits) -> None:
    needed, free = sum(entry.size for entry in checked_entries(archive, limits)), shutil.disk_usage(folder).free
    if needed > free:
        raise DatasetError(
            f"{archive}: unpacks to {needed / GIB:.1f} GiB, and {free / GIB:.1f} GiB are free beside out=. Free some "
            "room, or name a folder on another disk."
        )


def _shown(name: str, items: Iterable[Item], total: int) -> Iterable[Item]:
    return progress_over(items, f"{name}: files", total)


def _say(config: FetchConfig, folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir() if path.name != RECORD)
    files = sum(len(files) for _, _, files in os.walk(folder)) - 1
    say(f"{config.out}: {files:,} files from {config.source}: {', '.join(names[:10])}{', …' * (len(names) > 10)}")
    if len(names) == 1 and (folder / names[0]).is_dir():
        inner = Path(config.out) / names[0]
        say(f"  all of it stands in one folder; if a reader looks for less, give dataset.root={inner}")
    say(f"  next: python src/data.py task=verify dataset=… dataset.root={config.out}")
