"""The highest share of an honest score that the exploits of each class reach, term by term."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exploit import Attempt, Exploit, Kind, attempts, honest
from field_terms import FieldTerm, field_terms
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
FIELD_COLUMNS = ("consistency", "alignment", "length", "repetition", "text similarity")  # for right answers


@dataclass(frozen=True)
class Row:
    """One class of exploits."""

    kind: Kind
    exploits: int
    shares: Mapping[str, float]  # column -> highest share of the honest score


def highest_shares(reward: DualReward, exploits: Sequence[Exploit], samples: Sequence[Sample]) -> list[Row]:
    """A row per class: over its exploits and all samples, right answers held against right, wrong against wrong.

    Of the terms beside the method's own, where one applies: the share of what the honest completion has in it.
    """
    bounds = Bounds(reward, samples)
    tried = [attempt for sample in samples for attempt in attempts(sample)]
    field, rows = field_terms(samples), []
    honest_field = {name: _honest_values(score, samples) for name, score in field.items()}
    for kind in Kind:
        of_kind = [exploit for exploit in exploits if exploit.kind is kind]
        scored = [(attempt, reward(attempt, exploit.write(attempt))) for exploit in of_kind for attempt in tried]
        shares = {name: _highest(name, scored, bounds) for name in COLUMNS}
        texts = [(attempt, each.write(attempt)) for each in of_kind for attempt in tried if attempt.is_right]
        shares |= {name: _highest_of(score, texts, honest_field[name]) for name, score in field.items()}
        rows.append(Row(kind, len(of_kind), shares))
    return rows


def _honest_values(score: FieldTerm, samples: Sequence[Sample]) -> Mapping[str, float]:
    """What a term gives the honest right completion of each sample, an open question's in words."""
    values = {}
    for sample in samples:
        attempt = Attempt(sample, sample.answer, states_text=False)
        texts = (honest(attempt), attempt.written(attempt.argument, attempt.option))
        values[sample.sample_id] = max(value for text in texts if (value := score(attempt, text)) is not None)
    return values


def _highest_of(score: FieldTerm, texts: Iterable[tuple[Attempt, str]], honest_values: Mapping[str, float]) -> float:
    """The highest share of the honest value, 0 where the term applies to none of the texts."""
    scored = ((attempt, score(attempt, text)) for attempt, text in texts)
    shares = (value / honest_values[attempt.sample.sample_id] for attempt, value in scored if value is not None)
    return max(shares, default=0.0)


def _highest(column: str, scored: Iterable[tuple[Attempt, Scores]], bounds: Bounds) -> float:
    is_right, forms, term = COLUMNS[column]
    return max(
        scores[term] / (bounds.right_of(attempt) if is_right else bounds.wrong)[term]
        for attempt, scores in scored
        if attempt.is_right is is_right and attempt.states_text in forms
    )
