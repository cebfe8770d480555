"""The manifest of a run: what it was asked, on what it stood and how it ended, in one JSON file."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.utilities.exceptions import SIGTERMException

from pathvlm_r1 import __version__
from pathvlm_r1.tracking.environment import git_state, package_versions
from pathvlm_r1.tracking.files import TrackingError, write_json
from pathvlm_r1.tracking.run_folder import RunFolder

Status = Literal["started", "finished", "interrupted", "failed"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DataRecord:
    """Which data a run has read."""

    name: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class ParentRecord:
    """Which weights a run began with: a folder or a hub id, and the run that made them, if one of ours did."""

    path: str | None = None
    id: str | None = None
    hash: str | None = None
    run: str | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The contents of manifest.json; times are ISO 8601 in UTC."""

    name: str
    arm: str
    stage: str
    config: Mapping[str, Any]
    content_hash: str
    data: DataRecord
    parent: ParentRecord | None
    seeds: Mapping[str, int]
    status: Status = "started"
    started_at: str
    finished_at: str | None = None
    seconds: float | None = None
    git: Mapping[str, str | bool] | None
    package_version: str = __version__
    packages: Mapping[str, str | None]
    error: str | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> dict[str, Any]:
        """The manifest as JSON has it; of a parent only what is known."""
        row = asdict(self)
        if row["parent"] is not None:
            row["parent"] = {key: value for key, value in row["parent"].items() if value is not None}
        return row


@dataclass
class RunRecord:
    """What a run adds to its manifest while it lasts."""

    measured: dict[str, Any] = field(default_factory=dict)
    is_interrupted: bool = False  # stopped early at the user's wish, though without an exception


def new_manifest(
    *,
    name: str,
    arm: str,
    stage: str,
    config: Mapping[str, Any],
    content_hash: str,
    data: DataRecord,
    parent: ParentRecord | None,
    seeds: Mapping[str, int],
) -> Manifest:
    """The manifest of a run that starts now, with this machine's code and packages."""
    return Manifest(
        name=name, arm=arm, stage=stage, config=config, content_hash=content_hash, data=data, parent=parent,
        seeds=seeds, started_at=_now(), git=git_state(), packages=package_versions(),
    )  # fmt: skip


def content_hash(config_part: Mapping[str, Any]) -> str:
    """SHA-256 of a mapping as canonical JSON: the order of keys does not count, every value and type does.

    Raises:
        TypeError: a value that JSON does not have.
        ValueError: a number that is not finite.
    """
    text = json.dumps(config_part, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run's folder.

    Raises:
        TrackingError: there is none, or it is not one of this package.
    """
    path = RunFolder(folder).manifest
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrackingError(f"{path} does not exist: {folder} is not the folder of a run") from error
    except (OSError, ValueError) as error:
        raise TrackingError(f"{path} cannot be read as JSON: {error}. Remove that run, or restore the file.") from error
    names = {item.name for item in fields(Manifest)}
    if not isinstance(row, dict) or set(row) != names:
        differing = sorted(set(row) ^ names) if isinstance(row, dict) else type(row).__name__
        raise TrackingError(f"{path} is not a manifest of pathvlm-r1 {__version__}: it differs in {differing}")
    return _from_row(path, row)


def manifests_below(folder: Path) -> Iterator[tuple[RunFolder, Manifest]]:
    """Every run anywhere below a folder with its manifest, by path; a file that is none of ours is logged and skipped.

    Such a file is another program's of that name, another version's, or was broken on the way: no reason to stop.
    """
    for path in sorted(folder.rglob("manifest.json")):
        try:
            manifest = read_manifest(path.parent)
        except TrackingError as error:
            _log.warning("%s: skipped", error)
            continue
        yield RunFolder(path.parent), manifest


def find_finished(output: Path, content_hash: str) -> RunFolder | None:
    """The earliest finished run anywhere below `output` with exactly this hash whose export is there, if any."""
    found = [
        (manifest.started_at, run.path)
        for run, manifest in manifests_below(output)
        if manifest.status == "finished" and manifest.content_hash == content_hash and run.export.is_dir()
    ]
    return RunFolder(min(found)[1]) if found else None


@contextmanager
def run_record(folder: RunFolder, manifest: Manifest) -> Iterator[RunRecord]:
    """Write the manifest before a run, and its outcome after it; what the run raises passes.

    A run that goes on (`replace(read_manifest(...), status="started")`) adds its seconds to those it had.

    Raises:
        TrackingError: the manifest cannot be written.
    """
    record = RunRecord(dict(manifest.measured))
    started = time.monotonic()
    write_json(folder.manifest, replace(manifest, status="started", finished_at=None, error=None).row)
    try:
        yield record
    except BaseException as error:
        is_interrupt = _is_interrupt(error)
        outcome = _ended(manifest, record, "interrupted" if is_interrupt else "failed", started)
        try:
            write_json(folder.manifest, replace(outcome, error=None if is_interrupt else _one_line(error)).row)
        except TrackingError as second:
            _log.warning("%s", second)  # the run's own error is the one that counts
        raise
    outcome = _ended(manifest, record, "interrupted" if record.is_interrupted else "finished", started)
    write_json(folder.manifest, outcome.row)


def _ended(manifest: Manifest, record: RunRecord, status: Status, started: float) -> Manifest:
    seconds = (manifest.seconds or 0.0) + time.monotonic() - started
    return replace(
        manifest, status=status, finished_at=_now(), seconds=seconds, error=None, measured=dict(record.measured)
    )


def _is_interrupt(error: BaseException) -> bool:
    """Whether a user or scheduler asked for the end; Lightning answers the second Ctrl-C with `sys.exit`."""
    by_lightning = isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt)
    return by_lightning or isinstance(error, (KeyboardInterrupt, SIGTERMException))


def _one_line(error: BaseException) -> str:
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}".rstrip(": ")


def _from_row(path: Path, row: dict[str, Any]) -> Manifest:
    try:
        data = DataRecord(**row.pop("data"))
        parent = row.pop("parent")
        return Manifest(**row, data=data, parent=None if parent is None else ParentRecord(**parent))
    except TypeError as error:
        raise TrackingError(f"{path} is not a manifest of pathvlm-r1 {__version__}: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
