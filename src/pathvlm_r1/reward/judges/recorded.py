"""The judge of logged completions, who asks nobody: a completion's verdict is the one that it was given then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.verdict import Provenance, Verdict


@dataclass(frozen=True)
class RecordedJudge:
    """Answers with the recorded verdict of a term; no verdict where none was recorded."""

    term: str = "process"
    name: str = "recorded"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """One verdict for each completion, in order."""
        return [self._verdict(completion) for completion in completions]

    def _verdict(self, completion: Completion) -> Verdict:
        score = completion.recorded.get(self.term)
        if score is None or score.verdict is None:
            return Verdict(None, "none was recorded", Provenance(judge=self.name))
        return score.verdict
