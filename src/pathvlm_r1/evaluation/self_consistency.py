"""Self-consistency: the answer that most of k completions of a question agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def self_consistency(answers: Sequence[str | None], reference: str) -> float:
    """The probability that a majority vote gives the reference.

    Completions from which no answer can be read do not vote. Of m answers with equally many votes each wins with
    probability 1 / m, so that the order of the completions makes no difference. Where nobody votes it is 0.

    Args:
        answers: as parsed, of k completions of one question.
        reference: the right answer.

    Raises:
        ValueError: there is no completion.

    Source: Wang et al. 2022, Self-Consistency Improves Chain of Thought Reasoning in Language Models, arXiv:2203.11171.
    """
    if not answers:
        raise ValueError("answers is empty: a vote needs at least one completion")
    votes = Counter(answer for answer in answers if answer is not None)
    most = max(votes.values(), default=0)
    winners = [answer for answer, count in votes.items() if count == most]
    return 1 / len(winners) if reference in winners else 0.0
