"""Completions from elsewhere: a file of JSON Lines, read strictly, whose faults are listed with their lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.config import ConfigError, DatasetConfig
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError

_SHOWN_FAULTS = 5


@dataclass(frozen=True)
class Line:
    """One line of the file, with a sample_id and a completion."""

    number: int
    values: Mapping[str, Any]  # as they were read


def read_lines(path: Path, *, reserved: Sequence[str] = ()) -> list[Line]:
    """The lines of the file; an empty one is none.

    Args:
        path: of the file.
        reserved: keys that no line may have, as they will be added.

    Raises:
        ConfigError: there is no such file.
        DatasetError: lines that are no completions; each is named.
    """
    if not path.is_file():
        raise ConfigError(f"completions={path}: no such file; name one of JSON Lines with sample_id and completion")
    faults, lines = [], []
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        if not text.strip():
            continue
        values, fault = _values(text, reserved)
        if fault:
            faults.append(f"{path}:{number}: {fault}")
        lines.append(Line(number, values))
    raise_faults(faults, "mend them, or leave them out")
    if not lines:
        raise DatasetError(f"{path}: holds no completions")
    return lines


def samples_of(lines: Sequence[Line], path: Path, dataset: DatasetConfig, split: str) -> list[Sample]:
    """The sample that each line answers.

    Raises:
        DatasetError: samples that are not in the split; each is named.
    """
    samples = {sample.sample_id: sample for sample in load_samples(dataset, split)}
    unknown = [line for line in lines if line.values["sample_id"] not in samples]
    where = f"split={split} of dataset={dataset.name}"
    raise_faults(
        [f"{path}:{line.number}: sample_id {line.values['sample_id']!r} is not in {where}" for line in unknown],
        "choose the split and dataset that the completions answer",
    )
    return [samples[line.values["sample_id"]] for line in lines]


def raise_faults(faults: Sequence[str], remedy: str) -> None:
    """One error for all faults of a kind, which names the first of them.

    Raises:
        DatasetError: there are any.
    """
    if faults:
        more = len(faults) - _SHOWN_FAULTS
        rest = [f"and {more} more"] if more > 0 else []
        raise DatasetError("\n  ".join([*faults[:_SHOWN_FAULTS], *rest, f"{len(faults)} lines in all; {remedy}"]))


def _values(text: bytes, reserved: Sequence[str]) -> tuple[dict[str, Any], str]:
    """What a line holds, and what is wrong with it if anything is."""
    try:
        values = json.loads(text)
    except ValueError as error:  # also of bytes that are no UTF-8
        return {}, f"not JSON ({error})"
    if not isinstance(values, dict):
        return {}, f"must be an object with sample_id and completion, not {type(values).__name__}"
    for key in ("sample_id", "completion"):
        if not isinstance(values.get(key), str):
            return {}, f"{key} must be a text, not {json.dumps(values.get(key))[:40]}"
    taken = [key for key in reserved if key in values]
    return values, f"has {' and '.join(taken)} already, which rescoring adds" if taken else ""
