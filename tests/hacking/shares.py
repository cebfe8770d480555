"""The highest share of an honest score that the exploits of each class reach, term by term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exploit import Attempt, Exploit, Kind, attempts
from gaming import TOTAL, Bounds, DualReward, Scores

from pathvlm_r1.data import Sample

# Column -> for right answers or wrong ones, with the option's text or without, and the term. A wrong answer has no
# accuracy, honest or not, and the form is the same for both.
COLUMNS: Mapping[str, tuple[bool, tuple[bool, ...], str]] = {
    "accuracy": (True, (False,), "accuracy"),
    "accuracy with text": (True, (True,), "accuracy"),
    "format": (True, (False, True), "format"),
    "process": (True, (False, True), "process"),
    "total": (True, (False, True), TOTAL),
    "wrong: process": (False, (False, True), "process"),
    "wrong: total": (False, (False, True), TOTAL),
}


@dataclass(frozen=True)
class Row:
    """One class of exploits."""

    kind: Kind
    exploits: int
    shares: Mapping[str, float]  # column -> highest share of the honest score


def highest_shares(reward: DualReward, exploits: Sequence[Exploit], samples: Sequence[Sample]) -> list[Row]:
    """A row per class: over its exploits and all samples, right answers held against right, wrong against wrong."""
    bounds = Bounds(reward, samples)
    tried = [attempt for sample in samples for attempt in attempts(sample)]
    rows = []
    for kind in Kind:
        of_kind = [exploit for exploit in exploits if exploit.kind is kind]
        scored = [(attempt, reward(attempt, exploit.write(attempt))) for exploit in of_kind for attempt in tried]
        rows.append(Row(kind, len(of_kind), {name: _highest(name, scored, bounds) for name in COLUMNS}))
    return rows


def _highest(column: str, scored: Iterable[tuple[Attempt, Scores]], bounds: Bounds) -> float:
    is_right, forms, term = COLUMNS[column]
    return max(
        scores[term] / (bounds.right_of(attempt) if is_right else bounds.wrong)[term]
        for attempt, scores in scored
        if attempt.is_right is is_right and attempt.states_text in forms
    )
