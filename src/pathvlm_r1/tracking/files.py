"""Files that are either whole or not there, and hashes of what is in them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")  # safetensors has its own exception
_NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class TrackingError(RuntimeError):
    """What a run keeps of itself could not be written or read; the message names the file and what to do."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, bring it to the disk, then give it the name `path`.

    Whatever goes wrong, the temporary file is removed and an older `path` stays as it was.

    Raises:
        TrackingError: the disk is full, refuses writing, or fails otherwise.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    kept = f"the older {path.name} is unchanged" if path.exists() else f"no {path.name} was left behind"
    try:
        with disk_faults_explained(path, kept):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(partial)
            sync(partial)
            partial.replace(path)
            sync(path.parent)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON with sorted keys, atomically.

    Raises:
        TrackingError: as `write_atomically`.
        ValueError: a number in it is not finite, which JSON has no word for.
    """
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, atomically; errors as `write_atomically`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, atomically; errors as `write_atomically`."""
    write_atomically(path, lambda partial: partial.write_bytes(content))


def append_text(path: Path, text: str) -> None:
    """Add to the end of a file; when this returns, a kill of this process cannot lose it, though a power cut can.

    Raises:
        TrackingError: the disk is full, refuses writing, or fails otherwise; a part may have been written.
    """
    with disk_faults_explained(path, "the run can go on from its last checkpoint"), path.open("ab") as file:
        file.write(text.encode())


def file_hash(path: Path) -> str:
    """SHA-256 of a file's contents, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_faults_explained(path: Path, kept: str) -> Iterator[None]:
    """Turn a fault of the disk while `path` is written into one that says what to do; `kept`: what is still there.

    Raises:
        TrackingError: the block ran into a full disk, a refused write, or another error of the operating system.
    """
    try:
        yield
    except Exception as error:
        number = _error_number(error)
        if number is None:
            raise
        raise TrackingError(f"{path}: {_explanation(path, number, error)}; {kept}. {_advice(number)}") from error


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _error_number(error: BaseException) -> int | None:
    """The operating system's number of a fault, also where a library has wrapped it; None for any other error."""
    if isinstance(error, OSError):
        return error.errno or errno.EIO
    if wrapped := _RUST_ERROR.search(str(error)):
        return int(wrapped[1])
    cause = error.__context__  # torch.save raises a RuntimeError of its own after a write that had no room
    return cause.errno if isinstance(cause, OSError) and cause.errno in _NO_ROOM else None


def _explanation(path: Path, number: int, error: BaseException) -> str:
    if number in _NO_ROOM:
        return f"no room for it ({os.strerror(number)}), {_room(path)} is free on that disk"
    if number in _NO_PERMISSION:
        return f"no permission to write here ({os.strerror(number)})"
    return f"could not be written: {next(iter(str(error).splitlines()), os.strerror(number))}"


def _advice(number: int) -> str:
    if number in _NO_ROOM:
        return "Free some room, or set output= to a folder on another disk, and start again or go on with resume=."
    return "Set output= to a folder that you may write to, or correct its permissions."


def _room(path: Path) -> str:
    existing = next((folder for folder in path.absolute().parents if folder.is_dir()), Path("/"))
    return f"{shutil.disk_usage(existing).free / 2**20:,.0f} MiB"
