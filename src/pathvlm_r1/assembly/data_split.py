"""`task=split`: a file of roles that share no picture, with all that decides it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from rich import get_console
from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.assembly.data_reading import verified
from pathvlm_r1.assembly.data_verify import show_findings, status_of
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.config import SplitConfig
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.integrity import (
    KeyName,
    Sharing,
    Verified,
    component_labels,
    exact_sizes,
    nested_subsets,
    split_components,
)
from pathvlm_r1.tracking import say, write_json

Roles = Mapping[str, Sequence[Sample]]


def split_dataset(config: SplitConfig) -> int:
    """Split all questions of a dataset that have no defect, show the roles, and write the file.

    Returns:
        The status, as `task=verify` has it: where a defect stops, no file is written.

    Raises:
        ConfigError, TrackingError: `out` cannot be used; before a picture is opened.
        DatasetError: the roles ask for more than there is, or there is nothing.
    """
    out = cast("Path", out_file(config.out, example="split.json"))
    result = verified(config.dataset, workers=config.workers, with_look="near" in config.keys)
    if result.defects:
        show_findings(config.dataset.name, config.policy, result)
    if status := status_of(config.policy, result):
        return status
    if not result.samples:
        raise DatasetError(f"dataset={config.dataset.name}: no question is left to divide; mend the records above")
    sharing = sharing_of(config.keys, config.near_threshold, config.name_parts, config.case_pattern)
    labels = component_labels(result.samples, result.keys, sharing)
    sizes = exact_sizes(config.sizes, len(result.samples))
    roles = split_components(result.samples, labels, sizes, seed=config.seed)
    nested = {
        name: nested_subsets(roles.get(f"train_{name}", []), asked, seed=config.seed)
        for name, asked in config.nested.items()
    }
    write_json(out, _as_json(config, result, labels, roles, nested))
    _show(config, labels, sizes, roles, nested)
    return 0


def sharing_of(keys: Sequence[str], near_threshold: int, name_parts: int, case_pattern: str | None) -> Sharing:
    """By what pictures are compared, from checked values."""
    return Sharing(cast("tuple[KeyName, ...]", tuple(keys)), near_threshold, name_parts, case_pattern)


def _as_json(
    config: SplitConfig, result: Verified, labels: NDArray[np.int64], roles: Roles,
    nested: Mapping[str, Mapping[int, Sequence[Sample]]],
) -> dict[str, object]:  # fmt: skip
    return {
        "dataset": config.dataset.name,
        "data_hash": result.hash,
        "seed": config.seed,
        "keys": list(config.keys),
        "near_threshold": config.near_threshold,
        "name_parts": config.name_parts,
        "case_pattern": config.case_pattern,
        "components": len(set(labels.tolist())),
        "dropped": sorted({defect.record for defect in result.defects}),
        "roles": {role: _ids(samples) for role, samples in roles.items()},
        "nested": {
            name: {str(size): _ids(samples) for size, samples in subsets.items()} for name, subsets in nested.items()
        },
    }


def _ids(samples: Sequence[Sample]) -> list[str]:
    return [sample.sample_id for sample in samples]


def _show(
    config: SplitConfig, labels: NDArray[np.int64], sizes: Mapping[str, int], roles: Roles,
    nested: Mapping[str, Mapping[int, Sequence[Sample]]],
) -> None:  # fmt: skip
    table = Table("role", "questions", "asked for", "images", "letters", box=SIMPLE, pad_edge=False)
    for role, samples in roles.items():
        letters = Counter(sample.answer for sample in samples)
        shares = ", ".join(f"{letter} {letters[letter] / len(samples):.0%}" for letter in sorted(letters))
        images = len({sample.image_id for sample in samples})
        table.add_row(role, str(len(samples)), str(sizes[role]), str(images), shares or "-")
    get_console().print(table)
    say(*_sentences(config, labels, roles, nested))


def _sentences(
    config: SplitConfig, labels: NDArray[np.int64], roles: Roles, nested: Mapping[str, Mapping[int, Sequence[Sample]]]
) -> list[str]:
    members = np.bincount(labels)
    largest = int(members.max(initial=0))
    left = len(labels) - sum(len(samples) for samples in roles.values())
    lines = [
        f"{config.dataset.name}: {len(labels)} questions in {len(members)} components by {', '.join(config.keys)}, the "
        f"largest of {largest}; {left} in no role"
    ]
    if largest > len(labels) / 10:
        lines.append(
            f"  the largest component has {largest / len(labels):.0%} of all: where names repeat over folders raise "
            "name_parts, where pictures look alike lower near_threshold"
        )
    for name, asked in config.nested.items():
        missing = [str(size) for size in asked if size not in nested[name]]
        if missing:
            lines.append(f"  no nested subset of {', '.join(missing)}: train_{name} has {len(roles[f'train_{name}'])}")
    return [*lines, f"  written to {config.out}"]
