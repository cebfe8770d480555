"""Verdicts that are missing: a few are no reason to stop, and many are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pathvlm_r1.reward.judges.errors import JudgeError
from pathvlm_r1.reward.verdict import Verdict


def require_enough(verdicts: Sequence[Verdict], max_missing_share: float) -> None:
    """Refuse a batch of which too much has no verdict.

    Raises:
        JudgeError: with the most frequent reason.
    """
    missing = [verdict.reason for verdict in verdicts if verdict.events is None]
    if len(missing) > max_missing_share * len(verdicts):
        (reason, count), *_ = Counter(missing).most_common(1)
        raise JudgeError(
            f"judge.max_missing_share={max_missing_share:g}: {len(missing)} of {len(verdicts)} completions "
            f"have no verdict, {count} of them for this reason: {reason}"
        )
