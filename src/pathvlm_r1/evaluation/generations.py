"""Generations: what an evaluation had generated, kept portion by portion, so that a killed one goes on where it was.

A file begins with a line that says what all of it depends on; every other line is a completion.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pathvlm_r1.tracking import TrackingError, append_text, sync, write_atomically


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A completion of one question, before any contract reads it."""

    sample_id: str
    decode: int  # 0 for the first, or only, decode of the question
    text: str
    tokens: int
    is_capped: bool
    cap: int  # tokens that it might have had
    likeliest_letter: str | None = None  # by option log-probability, where that was asked for


Group = list[Generated]  # the decodes of one question


@dataclass(frozen=True)
class GenerationFile:
    """The completions of one checkpoint for one list of questions, in their order."""

    path: Path
    identity: Mapping[str, Any]  # everything that they depend on

    def kept(self, sample_ids: Sequence[str], *, decodes: int, portion: int) -> list[Group]:
        """The questions that are answered already, in whole portions; what a kill left beyond them is cut off.

        Args:
            sample_ids: of all questions.
            decodes: of each.
            portion: questions that are answered together; a portion is the same whichever stood before it.

        Raises:
            TrackingError: the file cannot be read, or is not about these questions.
        """
        if not self.path.is_file():
            self._begin()
        lines = self.path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        header, *entries = [self._entry(line, number) for number, line in enumerate(whole, start=1)]
        self._require(header == {"identity": dict(self.identity)}, 1, "is of another evaluation")
        answered = len(entries) // decodes
        if answered < len(sample_ids):
            answered -= answered % portion
        self._cut(whole[: 1 + answered * decodes])
        generated = [self._generated(entry, row) for row, entry in enumerate(entries[: answered * decodes], start=2)]
        groups = [generated[start : start + decodes] for start in range(0, len(generated), decodes)]
        for row, (group, sample_id) in enumerate(zip(groups, sample_ids, strict=False)):
            wanted = [(sample_id, decode) for decode in range(decodes)]
            self._require(
                [(one.sample_id, one.decode) for one in group] == wanted, 2 + row * decodes, "is out of order"
            )
        return groups

    def append(self, portion: Sequence[Group]) -> None:
        """Keep a portion; when this returns, neither a kill nor a power cut loses it.

        Raises:
            TrackingError: the disk refuses it.
        """
        lines = [json.dumps(asdict(one), ensure_ascii=False) + "\n" for group in portion for one in group]
        append_text(self.path, "".join(lines))
        sync(self.path)

    def _begin(self) -> None:
        line = json.dumps({"identity": dict(self.identity)}, sort_keys=True) + "\n"
        write_atomically(self.path, lambda partial: partial.write_text(line, encoding="utf-8"))

    def _cut(self, lines: Sequence[bytes]) -> None:
        os.truncate(self.path, sum(map(len, lines)))

    def _entry(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise TrackingError(f"{self.path}:{number}: not JSON ({error}); {_ANEW}") from error

    def _generated(self, entry: Any, number: int) -> Generated:
        try:
            return Generated(**entry)
        except TypeError as error:
            raise TrackingError(f"{self.path}:{number}: not a completion ({error}); {_ANEW}") from error

    def _require(self, condition: bool, number: int, fault: str) -> None:  # noqa: FBT001  reads as a sentence
        if not condition:
            raise TrackingError(f"{self.path}:{number}: {fault}; {_ANEW}")


_ANEW = "remove the file, or give fresh=true, to answer anew"
