"""JSON and JSON lines read strictly: what a lenient reader would guess at is refused, with its file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from json.decoder import JSONObject  # type: ignore[attr-defined]  # typeshed leaves it out
from json.scanner import py_make_scanner  # type: ignore[attr-defined]  # likewise
from pathlib import Path
from typing import Any, NoReturn

from pathvlm_r1.data.errors import DatasetError

MAX_LINE_BYTES = 16 * 1024 * 1024  # of JSON lines; a longer one is no record, and is never held in memory

_AGAIN = "Fetch the file again, or mend that place."


def read_json(path: Path) -> Any:
    """The content of a JSON file in UTF-8, with or without a byte order mark.

    Raises:
        DatasetError: missing or no file, other bytes, malformed or half written, NaN or Infinity, a key twice in one
            object; with the line.
    """
    text = _decoded(path, _bytes(path), 1)
    try:
        return _parsed(text)
    except (ValueError, RecursionError) as fault:
        raise DatasetError(f"{path}:{_line(text, fault)}: {_reason(fault)}. {_AGAIN}") from fault


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and content of every line that is not blank; one line is in memory at a time.

    A line that cannot be read comes as a `DatasetError` in its content's place, and the next one is read.

    Raises:
        DatasetError: missing or no file.
    """
    _require_file(path)
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(raw) > MAX_LINE_BYTES:
                _skip_line(file)
                yield number, DatasetError(f"{path}:{number}: longer than {MAX_LINE_BYTES >> 20} MiB. {_AGAIN}")
            elif raw.removeprefix(b"\xef\xbb\xbf").strip():
                yield number, _line_content(path, number, raw)


def _line_content(path: Path, number: int, raw: bytes) -> Any:
    try:
        return _parsed(_decoded(path, raw, number))
    except DatasetError as fault:
        return fault
    except (ValueError, RecursionError) as fault:
        return DatasetError(f"{path}:{number}: {_reason(fault)}. {_AGAIN}")


def _skip_line(file: Any) -> None:
    while (more := file.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
        pass


def _require_file(path: Path) -> None:
    if not path.exists():
        raise DatasetError(f"{path}: no such file. Fetch it, or check dataset.root and the file names of the dataset.")
    if not path.is_file():  # opening a pipe would wait for ever
        raise DatasetError(f"{path}: not a file. Put the dataset's file in its place.")


def _bytes(path: Path) -> bytes:
    _require_file(path)
    try:
        return path.read_bytes()
    except OSError as fault:
        raise DatasetError(f"{path}: cannot be read ({fault}). Check the file and its rights.") from fault


def _decoded(path: Path, raw: bytes, line: int) -> str:
    if raw.startswith(b"version https://git-lfs"):
        raise DatasetError(f"{path}: a Git LFS pointer, the file was not downloaded. Run `git lfs pull`.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        place = line + raw.count(b"\n", 0, fault.start)
        raise DatasetError(f"{path}:{place}: not UTF-8. Save the file as UTF-8.") from fault


class _Doubtful(ValueError):
    """Valid for a lenient reader; `start` is that of the object that holds it, once it is known."""

    start: int | None = None


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Doubtful(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _Doubtful(f"{name} is not JSON")


class _LocatingDecoder(json.JSONDecoder):
    """Tells where an object with a doubtful part begins; slow, and so only asked once there is one."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_unique, parse_constant=_refuse_constant)
        self.parse_object = self._located
        self.scan_once = py_make_scanner(self)

    def _located(self, text_and_end: tuple[str, int], *rest: Any) -> Any:
        try:
            return JSONObject(text_and_end, *rest)
        except _Doubtful as fault:
            fault.start = text_and_end[1] if fault.start is None else fault.start
            raise


def _line(text: str, fault: Exception) -> int:
    if isinstance(fault, json.JSONDecodeError):
        return fault.lineno
    try:
        _LocatingDecoder().decode(text)
    except _Doubtful as found:
        return text.count("\n", 0, found.start or 0) + 1
    except (ValueError, RecursionError):
        pass
    return 1


def _reason(fault: Exception) -> str:
    if isinstance(fault, RecursionError):
        return "nested too deeply"
    if isinstance(fault, json.JSONDecodeError):
        return f"malformed JSON ({fault.msg}, column {fault.colno})"
    return str(fault)
