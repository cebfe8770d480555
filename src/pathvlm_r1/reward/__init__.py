"""Rewards: what a completion carries, the terms that score it, the rubric and its judges, and the weighted total."""

from pathvlm_r1.reward.completion import BatchTerm, Completion, FinishReason, Judge, RewardTerm, Score, score_all
from pathvlm_r1.reward.judges import JudgeError, OracleJudge
from pathvlm_r1.reward.rubric import EVENTS, STEPS, RubricEvents, process_score
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
from pathvlm_r1.reward.verdict import Provenance, Rule, Verdict

__all__ = [
    "EVENTS",
    "STEPS",
    "AccuracyKinds",
    "BatchTerm",
    "Completion",
    "CrossModalProcess",
    "FinishReason",
    "Format",
    "Judge",
    "JudgeError",
    "Missing",
    "OracleJudge",
    "OutcomeAccuracy",
    "Provenance",
    "RewardTable",
    "RewardTerm",
    "RubricEvents",
    "Rule",
    "Score",
    "SignalCounts",
    "SoftOverlong",
    "Verdict",
    "WeightedTerm",
    "accuracy_kinds",
    "correctness",
    "is_without_signal",
    "process_score",
    "score_all",
    "signal_counts",
    "total_reward",
]
