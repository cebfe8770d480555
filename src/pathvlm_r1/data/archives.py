"""Archives unpacked without trust: every entry is looked at before the first one is written, all within one folder.

Read are zip, tar and tar.gz, told by their content. Only regular files and folders are taken; modes and owners are not.
"""

from __future__ import annotations

import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from pathvlm_r1.data.errors import DatasetError, Faults

MAX_FILES = 2_000_000  # entries of an archive: PMC-VQA, the largest set that is known here, has a tenth of it
GIB = 2**30
HARMLESS_BYTES = 2**26  # up to which no ratio makes a bomb: a table of few words shrinks as much

_PIECE = 1 << 20
_MAX_NAME_BYTES = 255  # of a part of a path, on every common file system
_TAR_MAGIC = slice(257, 262)
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Limits:
    """What an archive may become; beyond it is taken for a bomb."""

    max_bytes: int  # of all files together
    max_ratio: float  # of these to the bytes of the archive


@dataclass(frozen=True)
class Entry:
    """One entry as the archive states it."""

    name: str
    size: int  # bytes
    other: str | None  # what it is, where it is neither a file nor a folder that can be read
    is_folder: bool
    open: Callable[[], IO[bytes] | None]


Shown = Callable[[Iterable[Entry], int], Iterable[Entry]]  # entries and their number -> the entries, shown as they pass


def is_archive(path: Path) -> bool:
    """Whether the content of a file is that of a zip, tar or tar.gz."""
    return path.is_file() and _kind(path) is not None


def checked_entries(archive: Path, limits: Limits) -> list[Entry]:
    """The files of an archive, if it may be unpacked; none of them has been read.

    Raises:
        DatasetError: no archive, damaged, too large, or with entries that may not be unpacked, listed together.
    """
    files: dict[PurePosixPath, Entry] = {}
    faults, total, packed = Faults(), 0, archive.stat().st_size
    with _entries(archive) as entries:
        for number, entry in enumerate(entries, start=1):
            total += entry.size
            _refuse_bomb(archive, number, total, packed, limits)
            with faults.gathered():
                path = _path(entry)
                if entry.is_folder or entry.other is not None:
                    continue
                if path in files:
                    raise DatasetError(f"{entry.name}: stands in it twice, and one would replace the other")
                files[path] = entry
    inside = {folder for path in files for folder in path.parents}
    faults.found += [f"{path}: is a file and a folder" for path in files if path in inside]
    faults.raise_any(f"{archive}: not unpacked; ask where it comes from for a sound one")
    if not files:
        raise DatasetError(f"{archive}: has no file in it. Is it the right one?")
    return list(files.values())


def unpack(archive: Path, folder: Path, limits: Limits, shown: Shown) -> int:
    """Write the files of an archive below a folder, over none that is there.

    Args:
        archive: the file.
        folder: where to; what a fault leaves in it is for the caller to remove.
        limits: of its size.
        shown: shows how far it is.

    Returns:
        How many files.

    Raises:
        DatasetError: as `checked_entries`, before anything is written; damaged, or a file is there already, within.
    """
    count = len(checked_entries(archive, limits))
    with _entries(archive) as entries:  # anew and in their order: a compressed tar is read once from its beginning
        files = (entry for entry in entries if not entry.is_folder)
        for entry in shown(files, count):
            _write(entry, folder / _path(entry))
    return count


def _write(entry: Entry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise DatasetError(f"{entry.name}: {path.name} is there already, and nothing is written over")
    content, left = entry.open(), entry.size
    if content is None:
        raise DatasetError(f"{entry.name}: has no content. Fetch the archive again.")
    with content, path.open("xb") as out:
        while piece := content.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise DatasetError(f"{entry.name}: is longer than the archive says. Do not trust it.")
            out.write(piece)
    if left:
        raise DatasetError(f"{entry.name}: ends {left} bytes early. Fetch the archive again.")


def _refuse_bomb(archive: Path, number: int, total: int, packed: int, limits: Limits) -> None:
    """Stop at the entry with which it becomes too large, before the rest is read."""
    if number > MAX_FILES:
        raise DatasetError(f"{archive}: more than {MAX_FILES:,} entries. Unpack it yourself if it is what you expect.")
    if total > limits.max_bytes:
        raise DatasetError(
            f"{archive}: unpacks to more than {limits.max_bytes / GIB:g} GiB. If it is what you expect, raise max_gib."
        )
    if total > max(limits.max_ratio * packed, HARMLESS_BYTES):
        raise DatasetError(
            f"{archive}: unpacks to more than {limits.max_ratio:g} times its own size, as bombs do. If it is what you "
            "expect, raise max_ratio."
        )


def _path(entry: Entry) -> PurePosixPath:
    """The path of an entry below the folder that it is unpacked into.

    Raises:
        DatasetError: it leads elsewhere, names no one place, or is no file.
    """
    name = entry.name
    if entry.other is not None:
        raise DatasetError(f"{name}: is {entry.other}")
    if name.startswith("/") or _DRIVE.match(name):
        raise DatasetError(f"{name}: is an absolute path")
    path = PurePosixPath(name)
    if ".." in path.parts:
        raise DatasetError(f"{name}: leads out of the folder")
    if "\\" in name or _CONTROL.search(name) or not _is_text(name):
        raise DatasetError(f"{name!a}: has a backslash, a control character or no UTF-8 in its name")
    if any(len(part.encode()) > _MAX_NAME_BYTES for part in path.parts):
        raise DatasetError(f"{name[:40]}…: has a name of more than {_MAX_NAME_BYTES} bytes")
    if not path.parts and not entry.is_folder:
        raise DatasetError(f"{name!r}: is a file without a name")
    return path


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that were no UTF-8
        return False
    return True


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[Entry]]:
    """All entries in their order; faults of reading the archive become a `DatasetError`."""
    kind = _kind(archive)
    if kind is None:
        raise DatasetError(f"{archive}: neither zip nor tar nor tar.gz. Is the download whole, and no web page?")
    try:
        with _KINDS[kind](archive) as entries:
            yield entries
    except _DAMAGED as fault:
        raise DatasetError(f"{archive}: truncated or damaged ({fault}). Fetch it again.") from fault
    except NotImplementedError as fault:  # a compression that zipfile does not know
        raise DatasetError(f"{archive}: cannot be unpacked here ({fault}). Pack it as plain zip or tar.gz.") from fault


def _kind(archive: Path) -> str | None:
    try:
        with archive.open("rb") as file:
            head = file.read(512)
            if head.startswith(b"\x1f\x8b"):
                return "tar.gz"
    except OSError as fault:
        raise DatasetError(f"{archive}: cannot be read ({fault.strerror}).") from fault
    if head[_TAR_MAGIC] == b"ustar":
        return "tar"
    return "zip" if zipfile.is_zipfile(archive) or head.startswith(b"PK") else None


@contextmanager
def _zip_entries(archive: Path) -> Iterator[Iterator[Entry]]:
    with zipfile.ZipFile(archive) as opened:

        def entries() -> Iterator[Entry]:
            for info in opened.infolist():
                yield Entry(info.filename, info.file_size, _other_in_zip(info), info.is_dir(), _opening(opened, info))

        yield entries()


def _opening(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: opened.open(info)


def _other_in_zip(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & 1:
        return "encrypted"
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a link"
    is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
    return None if is_plain else "a pipe or a device"


@contextmanager
def _tar_entries(archive: Path, mode: str) -> Iterator[Iterator[Entry]]:
    with tarfile.open(archive, f"r:{mode}") as opened:  # type: ignore[call-overload]

        def entries() -> Iterator[Entry]:
            for info in opened:
                yield Entry(info.name, info.size, _other_in_tar(info), info.isdir(), _extracting(opened, info))

        yield entries()


def _extracting(opened: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes] | None]:
    return lambda: opened.extractfile(info)


def _other_in_tar(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return f"a link to {info.linkname}"
    if info.issparse():
        return "a sparse file"
    return None if info.isreg() or info.isdir() else "a pipe or a device"


_KINDS: dict[str, Callable[[Path], AbstractContextManager[Iterator[Entry]]]] = {
    "zip": _zip_entries,
    "tar": lambda archive: _tar_entries(archive, ""),
    "tar.gz": lambda archive: _tar_entries(archive, "gz"),
}
