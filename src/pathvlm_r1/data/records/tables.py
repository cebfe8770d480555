"""CSV and TSV with named columns, as spreadsheets and scripts write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pathvlm_r1.data.errors import DatasetError

MAX_CELL_CHARACTERS = 256 * 1024 * 1024  # a picture as base64 is far above the 128 KiB that the csv module allows

_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Table:
    """Rows by column name, each with the line that it begins on."""

    rows: tuple[tuple[int, Mapping[str, str]], ...]
    faults: tuple[tuple[int, str], ...]  # line and reason of rows that are left out
    is_windows_encoded: bool  # not UTF-8, so read as Windows-1252


def read_table(path: Path, columns: Mapping[str, Sequence[str]]) -> Table:
    """The named columns of a table; other columns, and an unnamed one of row numbers, are left out.

    Delimiter (comma, semicolon or tab), line ends and a byte order mark are found out. Cells may hold line breaks.

    Args:
        path: UTF-8, else Windows-1252.
        columns: the name that a column gets -> the spellings that its heading may have.

    Raises:
        DatasetError: missing, no file, of an unknown encoding, without one of the columns, or a quote that never ends.
    """
    text, is_windows_encoded = _decoded(path)
    delimiter, places = _layout(path, text.partition("\n")[0], columns)
    rows: list[tuple[int, Mapping[str, str]]] = []
    faults: list[tuple[int, str]] = []
    width = len(next(csv.reader([text.partition("\n")[0].rstrip("\r")], delimiter=delimiter)))
    for line, cells in _cells(path, text, delimiter):
        if len(cells) == width:
            rows.append((line, {name: cells[place] for name, place in places.items()}))
        else:
            faults.append((line, f"{len(cells)} cells, and the heading has {width}"))
    return Table(tuple(rows), tuple(faults), is_windows_encoded)


def _decoded(path: Path) -> tuple[str, bool]:
    if not path.is_file():
        raise DatasetError(f"{path}: no such file. Fetch it, or check dataset.root.")
    raw = path.read_bytes()
    if raw.startswith(b"version https://git-lfs"):
        raise DatasetError(f"{path}: a Git LFS pointer, the file was not downloaded. Run `git lfs pull`.")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding), encoding == "cp1252"
        except UnicodeDecodeError:
            continue
    raise DatasetError(f"{path}: neither UTF-8 nor Windows-1252. Save the file as UTF-8.")


def _layout(path: Path, heading: str, columns: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, int]]:
    """The delimiter under which the heading has the most of the columns, and the place of each."""
    found: dict[str, dict[str, int]] = {}
    for delimiter in _DELIMITERS:
        names = [cell.strip().casefold() for cell in next(csv.reader([heading.strip("\r")], delimiter=delimiter), [])]
        found[delimiter] = {
            name: names.index(spelling.casefold())
            for name, spellings in columns.items()
            for spelling in spellings[::-1]
            if spelling.casefold() in names
        }
    delimiter = max(_DELIMITERS, key=lambda one: len(found[one]))
    missing = [spellings[0] for name, spellings in columns.items() if name not in found[delimiter]]
    if missing:
        raise DatasetError(
            f"{path}:1: no column {', '.join(missing)}; the heading is {heading.strip()[:200]!r}. "
            "Check that this is the dataset's file."
        )
    return delimiter, found[delimiter]


def _cells(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each row below the heading that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    with _large_cells():
        begin = 1
        try:
            for cells in reader:
                if begin > 1 and any(cell.strip() for cell in cells):
                    yield begin, cells
                begin = reader.line_num + 1
        except csv.Error as fault:
            raise DatasetError(
                f"{path}:{begin}: {fault}. Close the quote that opens in this row, or double it."
            ) from fault


@contextmanager
def _large_cells() -> Iterator[None]:
    """The csv module keeps its limit for the whole process."""
    before = csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)
