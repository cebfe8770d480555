"""Rewards: what a completion carries, the terms that score it, the rubric and its judges, and the weighted total."""

from pathvlm_r1.reward.alignment import ImageTextAlignment, PairEncoder, stated_findings
from pathvlm_r1.reward.completion import (
    BatchTerm,
    Completion,
    FinishReason,
    Judge,
    RewardTerm,
    Score,
    is_looping,
    score_all,
)
from pathvlm_r1.reward.consistency import AnswerConsistency, concluded
from pathvlm_r1.reward.judges import JudgeError, OracleJudge
from pathvlm_r1.reward.own_term import OwnTerm, TermError
from pathvlm_r1.reward.penalties import LengthBand, Repetition, SoftOverlong, repeated_share
from pathvlm_r1.reward.recorded import RecordedJudge, RecordedTerm
from pathvlm_r1.reward.rubric import EVENTS, STEPS, RubricEvents, process_score
from pathvlm_r1.reward.shaping import By, Clip, Gate, Normalisation, Over, Schedule, Shape, shaped
from pathvlm_r1.reward.signal import (
    AccuracyKinds,
    SignalCounts,
    accuracy_kinds,
    correctness,
    is_without_signal,
    signal_counts,
)
from pathvlm_r1.reward.terms import CrossModalProcess, Format, OutcomeAccuracy
from pathvlm_r1.reward.text_similarity import TextSimilarity, token_f1
from pathvlm_r1.reward.total import Missing, RewardTable, WeightedTerm, total_reward
from pathvlm_r1.reward.verdict import Provenance, Rule, Verdict

__all__ = [
    "EVENTS",
    "STEPS",
    "AccuracyKinds",
    "AnswerConsistency",
    "BatchTerm",
    "By",
    "Clip",
    "Completion",
    "CrossModalProcess",
    "FinishReason",
    "Format",
    "Gate",
    "ImageTextAlignment",
    "Judge",
    "JudgeError",
    "LengthBand",
    "Missing",
    "Normalisation",
    "OracleJudge",
    "OutcomeAccuracy",
    "Over",
    "OwnTerm",
    "PairEncoder",
    "Provenance",
    "RecordedJudge",
    "RecordedTerm",
    "Repetition",
    "RewardTable",
    "RewardTerm",
    "RubricEvents",
    "Rule",
    "Schedule",
    "Score",
    "Shape",
    "SignalCounts",
    "SoftOverlong",
    "TermError",
    "TextSimilarity",
    "Verdict",
    "WeightedTerm",
    "accuracy_kinds",
    "concluded",
    "correctness",
    "is_looping",
    "is_without_signal",
    "process_score",
    "repeated_share",
    "score_all",
    "shaped",
    "signal_counts",
    "stated_findings",
    "token_f1",
    "total_reward",
]
