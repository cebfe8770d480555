"""`evaluation=forced_choice`: the option letters of every question compared, for each checkpoint and dataset."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from pathvlm_r1.assembly.candidates import Candidate
from pathvlm_r1.assembly.evaluating import answering_policy
from pathvlm_r1.config import ConfigError, EvalConfig, ForcedChoiceConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation import Chooser, ForcedChoiceRow, forced_choice_row, write_choices
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.tracking import progress_over, write_atomically

_log = logging.getLogger(__name__)


def choose(config: EvalConfig, candidate: Candidate, datasets: Sequence[Sequence[Sample]]) -> list[ForcedChoiceRow]:
    """A row for every dataset; what each question had stands in the run's folder.

    Raises:
        ConfigError: a dataset has no question with options, or all of them show one picture.
    """
    if not isinstance(config.evaluation, ForcedChoiceConfig):
        raise TypeError(f"evaluation={config.evaluation.name} compares no letters")
    asked = [_with_options(config, samples) for samples in datasets]
    loaded = answering_policy(candidate.model, config.trainer)
    chooser = Chooser(
        SampleEncoder(loaded.encoder, Contract()), config.evaluation.prefix, config.rollout.rows_per_batch
    )
    rows = []
    for samples in asked:
        label = f"{candidate.arm} s{candidate.seed} on {samples[0].dataset}, letters"
        choices = list(progress_over(chooser(loaded.policy, samples), label, len(samples)))
        path = candidate.folder.choices / f"{samples[0].dataset}.{config.split}.{config.evaluation.name}.jsonl"
        write_atomically(path, lambda partial, choices=choices: write_choices(partial, choices))  # type: ignore[misc]
        row = forced_choice_row(
            choices, arm=candidate.arm, split=config.split, seed=candidate.seed,
            random=np.random.default_rng(config.seed), replicates=config.evaluation.replicates,
        )  # fmt: skip
        _log.info(
            "%s on %s, forced choice: accuracy %.3f [%.3f, %.3f] (blank %.3f, shuffled %.3f), margin %.3f nats, "
            "picture dependence %.3f, position bias %.3f, n %d -> %s",
            row.stage, row.dataset, row.accuracy, row.ci_low, row.ci_high, row.accuracy_blank, row.accuracy_shuffled,
            row.margin, row.picture_dependence, row.position_bias, row.n, path,
        )  # fmt: skip
        rows.append(row)
    return rows


def _with_options(config: EvalConfig, samples: Sequence[Sample]) -> list[Sample]:
    """Open questions have nothing to choose from; how many there are is said."""
    closed = [sample for sample in samples if not sample.is_open]
    place = f"evaluation={config.evaluation.name}: split={config.split} of {samples[0].dataset}"
    if len({sample.image_id for sample in closed}) < 2:
        raise ConfigError(f"{place} has no two pictures with questions that have options")
    if len(closed) < len(samples):
        _log.warning("%s: %d open questions have nothing to choose from", place, len(samples) - len(closed))
    return closed
