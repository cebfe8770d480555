"""What a part of a record's reader raises; who reads the record knows its name and file."""

from __future__ import annotations

from pathvlm_r1.data.defects import Action, DefectKind
from pathvlm_r1.data.errors import DatasetError


class RecordFault(DatasetError):
    """A record that cannot be used as it is."""

    def __init__(self, kind: DefectKind, message: str, action: Action = "error") -> None:
        super().__init__(message)
        self.kind = kind
        self.action = action


def shortened(value: object) -> str:
    """A value as it is shown in a message."""
    written = repr(value)
    return written if len(written) <= 60 else f"{written[:57]}..."
