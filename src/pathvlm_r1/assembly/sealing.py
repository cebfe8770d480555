"""The sealed test: opened for a final result, by words that nobody types by habit, and always registered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from pathvlm_r1.assembly.candidates import Candidate
from pathvlm_r1.assembly.datasets import samples_hash, sealed_samples
from pathvlm_r1.assembly.identity import weights_identity
from pathvlm_r1.config import SEALED, ConfigError, DatasetConfig, EvalConfig
from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation import Opening, openings_below, register

_SHOWN_CHARACTERS = 8  # of the content's hash in what is typed

_log = logging.getLogger(__name__)


def confirmed_samples(config: EvalConfig, dataset: DatasetConfig) -> list[Sample]:
    """The sealed test of a dataset, to who has confirmed that it is to be opened.

    Raises:
        ConfigError: `confirm` does not name this dataset with this content; says what does, and how often checkpoints
            were shown it.
        DatasetError: the dataset has no sealed test, or its files cannot be used.
    """
    samples = sealed_samples(dataset)
    data_hash = samples_hash(samples)
    words = f"{dataset.name}-{data_hash[:_SHOWN_CHARACTERS]}"
    if config.confirm != words:
        before = [one for one in openings_below(register_folder(config)) if one.data_hash == data_hash]
        said = "without confirm=" if config.confirm is None else f"confirm={config.confirm} names another"
        last = f", last on {before[-1].opened_at}" if before else ""
        raise ConfigError(
            f"split={SEALED}: {said}. The sealed test of dataset={dataset.name} has {len(samples)} questions; "
            f"checkpoints were shown it {len(before)} times{last}. It is for a final result: every opening is "
            f"registered, and what it shows may choose nothing. To open it type confirm={words}; to look while working "
            "take split=development, to choose split=validation."
        )
    return samples


def register_openings(config: EvalConfig, samples: Sequence[Sample], candidates: Sequence[Candidate]) -> None:
    """Write down that these checkpoints are shown the sealed test, before the first of them is.

    Raises:
        TrackingError: it cannot be written; nothing is shown then.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    data_hash, values = samples_hash(samples), asdict(config)
    path = register(
        register_folder(config),
        [
            Opening(
                opened_at=now, dataset=config.dataset.name, data_hash=data_hash, questions=len(samples),
                arm=one.arm, seed=one.seed, checkpoint=one.model.checkpoint,
                checkpoint_hash=weights_identity(one.model.checkpoint), config=values,
            )
            for one in candidates
        ],
    )  # fmt: skip
    _log.info("%s: the sealed test of %s is opened by %d checkpoints", path, config.dataset.name, len(candidates))


def register_folder(config: EvalConfig) -> Path:
    """The folder that all runs of a study are below."""
    return Path(config.runs or config.output).expanduser()
