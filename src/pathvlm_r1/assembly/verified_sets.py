"""The tie between a set that was verified and the runs on it: the hashes of its splits, as manifests have them.

They are of all texts and of the first pictures alone (`HASHED_PICTURES`), so that a run need not open every one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pathvlm_r1.assembly.datasets import loader_of, samples_hash
from pathvlm_r1.config import ConfigError, DatasetConfig, Split
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError


def split_hashes(dataset: DatasetConfig) -> dict[str, str]:
    """Split -> the hash that the manifest of a run on it has; splits that cannot be read or are empty are left out."""
    found, load = {}, loader_of(dataset, keeps=True)
    for split in get_args(Split):
        try:
            samples = load(split)
            if samples:
                found[split] = samples_hash(samples)
        except DatasetError:  # verify names the defects that stop it
            continue
    return found


def require_verified(path: str, dataset: DatasetConfig, split: str, samples: Sequence[Sample]) -> None:
    """Refuse samples that are not those that `task=verify` saw.

    Args:
        path: the file that it wrote.
        dataset: that is read now.
        split: of it.
        samples: of the split.

    Raises:
        ConfigError: the file is none of that task's, or of another dataset, or the split has changed since.
    """
    again = f"verify it again: python src/data.py task=verify dataset={dataset.name} out={path}"
    record = _read(path)
    if record["dataset"] != dataset.name:
        raise ConfigError(f"verified={path}: of dataset={record['dataset']}, not of {dataset.name}; {again}")
    known, found = record["splits"].get(split), samples_hash(samples)
    if known is None:
        raise ConfigError(f"verified={path}: split {split} of dataset={dataset.name} could not be read then; {again}")
    if known != found:
        raise ConfigError(
            f"verified={path}: split {split} of dataset={dataset.name} has changed since, or is read with other "
            f"settings (hash {found[:12]}, verified {known[:12]}); {again}"
        )


def _read(path: str) -> Mapping[str, Any]:
    try:
        record = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"verified={path}: cannot be read as JSON: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("splits"), dict) or "dataset" not in record:
        raise ConfigError(f"verified={path}: not a file of src/data.py task=verify out=…")
    return record
