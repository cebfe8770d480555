"""Verdicts that are missing: a few are no reason to stop, and many are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pathvlm_r1.reward.judges.errors import JudgeError


def require_enough(missing: Sequence[str], asked: int, max_missing_share: float) -> None:
    """Refuse a batch of which too much has no verdict.

    Args:
        missing: why there is none, for each completion without one.
        asked: completions of the batch.
        max_missing_share: of them, that may have none.

    Raises:
        JudgeError: with the most frequent reason.
    """
    if len(missing) > max_missing_share * asked:
        (reason, count), *_ = Counter(missing).most_common(1)
        raise JudgeError(
            f"judge.max_missing_share={max_missing_share:g}: {len(missing)} of {asked} completions "
            f"have no verdict, {count} of them for this reason: {reason}"
        )
