"""Rows of Parquet files, some at a time, and the pictures in them, each content held once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import BytesImage
from pathvlm_r1.data.records.faults import RecordFault, shortened

ROWS_AT_ONCE = 256


def read_parquet(files: Sequence[Path], columns: Sequence[str] | None) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """File, row number within it, and the named columns of every row, or all, in the order of the files.

    Raises:
        DatasetError: a file that is no Parquet file, is cut off, or lacks a column.
    """
    from pyarrow import ArrowException, parquet  # seconds, which other datasets need not wait

    for file in files:
        try:
            with parquet.ParquetFile(file) as table:
                missing = [name for name in columns or () if name not in table.schema_arrow.names]
                if missing:
                    found = ", ".join(table.schema_arrow.names)
                    raise DatasetError(
                        f"{file}: no column {', '.join(missing)}; it has {found}. Is this the dataset's file?"
                    )
                number = 0
                for batch in table.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns and list(columns)):
                    for row in batch.to_pylist():
                        yield file, number, row
                        number += 1
        except (ArrowException, OSError) as fault:
            raise DatasetError(f"{file}: {_reason(file, fault)}. Fetch the file again.") from fault


def _reason(file: Path, fault: Exception) -> str:
    if file.is_file():
        with file.open("rb") as opened:
            if opened.read(64).startswith(b"version https://git-lfs"):
                return "a Git LFS pointer, it was not downloaded"
    return f"cannot be read ({fault})"


def parquet_files(folder: Path, split: str) -> list[Path]:
    """The files of a split, as the hub names them: <split>-00000-of-00003-….parquet in the folder or its data/."""
    for place in (folder / "data", folder):
        found = sorted(place.glob(f"{split}-*.parquet")) or sorted(place.glob(f"{split}.parquet"))
        if found:
            return found
    return []


@dataclass(frozen=True)
class HeldPictures:
    """Pictures by the hash of their bytes: rows on one picture have its bytes each, and here they are held once."""

    by_hash: dict[str, BytesImage] = field(default_factory=dict, repr=False)

    def hold(self, cell: object, name: str) -> tuple[str, BytesImage]:
        """The hash and the picture of a cell: bytes, or `{bytes, path}`.

        Raises:
            RecordFault: there are no bytes in it.
        """
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes) or not content:
            message = f"the image is {shortened(cell)}, and the bytes of a picture are needed"
            raise RecordFault(DefectKind.IMAGE_MISSING, message, "skip")
        digest = hashlib.sha256(content).hexdigest()
        return digest, self.by_hash.setdefault(digest, BytesImage(content, name))
