"""Judge and term of logged completions, who ask nobody: a completion has what it was given when it was sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pathvlm_r1.reward.completion import Completion, Score
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


@dataclass(frozen=True)
class RecordedTerm:
    """A term whose scores are those of the log."""

    name: str

    def __call__(self, completion: Completion) -> Score:
        """What it gave; no score where it gave none."""
        return completion.recorded.get(self.name) or Score(None, "none was recorded")
