"""Rewards: what a completion carries, the terms that score it, the rubric and its oracle, and the weighted total."""

from pathvlm_r1.reward.completion import Completion, FinishReason, Judge, RewardTerm, Score
from pathvlm_r1.reward.oracle import OracleJudge
from pathvlm_r1.reward.rubric import RubricEvents, process_score
from pathvlm_r1.reward.signal import (
    AccuracyKinds,
    SignalCounts,
    accuracy_kinds,
    correctness,
    is_without_signal,
    signal_counts,
)
from pathvlm_r1.reward.terms import CrossModalProcess, Format, OutcomeAccuracy, SoftOverlong
from pathvlm_r1.reward.total import Missing, RewardTable, WeightedTerm, total_reward

__all__ = [
    "AccuracyKinds",
    "Completion",
    "CrossModalProcess",
    "FinishReason",
    "Format",
    "Judge",
    "Missing",
    "OracleJudge",
    "OutcomeAccuracy",
    "RewardTable",
    "RewardTerm",
    "RubricEvents",
    "Score",
    "SignalCounts",
    "SoftOverlong",
    "WeightedTerm",
    "accuracy_kinds",
    "correctness",
    "is_without_signal",
    "process_score",
    "signal_counts",
    "total_reward",
]
