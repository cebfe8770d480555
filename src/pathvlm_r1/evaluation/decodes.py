"""Several decodes of the same questions: the spread of their accuracy, pass@k, and the majority vote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathvlm_r1.evaluation.collecting import Answers
from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.pass_at_k import pass_at_k
from pathvlm_r1.evaluation.repeats import mean_of_repeats
from pathvlm_r1.evaluation.self_consistency import self_consistency


@dataclass(frozen=True, kw_only=True)
class DecodesRow:
    """What k stochastic decodes of one run say; their interval is over decodes, not over seeds or questions."""

    stage: str
    seed: int
    dataset: str
    split: str
    decoding: str
    k: int
    accuracy: float
    sd: float  # of the accuracies of the decodes
    t_low: float  # 95 % interval of their mean
    t_high: float
    pass_at_k: float  # share of questions that one of the k answers right
    majority: float  # accuracy of the majority vote


def decodes_row(answers: Answers) -> DecodesRow | None:
    """The row of one run's answers; None where questions have one decode, or not all the same number."""
    by_question = grouped(answers.predictions, lambda p: p.sample_id).values()
    by_decode = grouped(answers.predictions, lambda p: p.decode).values()
    k = len(by_decode)
    if k < 2 or any(len(of_question) != k for of_question in by_question):
        return None
    over_decodes = mean_of_repeats([float(np.mean([p.is_correct for p in of_decode])) for of_decode in by_decode])
    right = [sum(p.is_correct for p in of_question) for of_question in by_question]
    votes = [self_consistency([p.answer for p in of_one], of_one[0].reference) for of_one in by_question]
    return DecodesRow(
        stage=answers.run.arm, seed=answers.run.seed, dataset=answers.dataset, split=answers.split,
        decoding=answers.decoding, k=k, accuracy=over_decodes.mean, sd=over_decodes.sd,
        t_low=over_decodes.interval.low, t_high=over_decodes.interval.high,
        pass_at_k=float(np.mean([pass_at_k(k, count, k) for count in right])), majority=float(np.mean(votes)),
    )  # fmt: skip
