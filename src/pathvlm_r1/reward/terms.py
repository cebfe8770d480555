"""The reward terms that the method has: outcome accuracy, format and cross-modal process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS, Contract
from pathvlm_r1.reward.completion import Completion, Judge, Score, unscored
from pathvlm_r1.reward.verdict import Verdict


@dataclass(frozen=True)
class OutcomeAccuracy:
    """1 when the parsed answer is the reference answer, else 0. An answer that cannot be parsed is a wrong one."""

    contract: Contract
    letter_and_text: bool  # the paper's stricter form: the option's text must stand beside its letter
    name: str = "accuracy"

    def __call__(self, completion: Completion) -> Score:
        """1 or 0."""
        sample = completion.sample
        parsed = self.contract.parse(completion.text, sample.options)
        is_right = parsed.answer == sample.answer and (parsed.states_text or not self.letter_and_text)
        text = "with its text" if parsed.states_text else "without text"
        return Score(float(is_right), f"answered {parsed.answer!r} {text}, reference {sample.answer!r}")


@dataclass(frozen=True)
class Format:
    """1 when the contract's tags stand in order, once each, with nothing outside them, else 0."""

    contract: Contract
    name: str = "format"

    def __call__(self, completion: Completion) -> Score:
        """1 or 0."""
        is_formatted = self.contract.parse(completion.text, completion.sample.options).is_formatted
        return Score(
            float(is_formatted), f"the tags are {'in' if is_formatted else 'not in'} order, once, and outermost"
        )


@dataclass(frozen=True)
class CrossModalProcess:
    """The rubric's number for the reasoning; no verdict where the judge has none. A text too long to score gets 0."""

    judge: Judge
    coefficient: float  # c of `process_score`
    weights: Mapping[str, float] | None = None  # of the events, likewise; None: 1 each
    name: str = "process"

    def __call__(self, completion: Completion) -> Score:
        """In [0, 1], with the verdict that it follows from."""
        return self.score_all([completion])[0]

    def score_all(self, completions: Sequence[Completion]) -> list[Score]:
        """The same for each, in order; the judge is asked once for all of them."""
        judged = [c for c in completions if len(c.text) <= MAX_SCORED_CHARACTERS]
        verdicts = self.judge(judged) if judged else []  # a judge may cost money
        if len(verdicts) != len(judged):
            raise ValueError(f"{self.judge.name} gave {len(verdicts)} verdicts on {len(judged)} completions")
        found = iter(verdicts)
        return [
            self._score(next(found)) if len(c.text) <= MAX_SCORED_CHARACTERS else unscored(c.text) for c in completions
        ]

    def _score(self, verdict: Verdict) -> Score:
        events = verdict.events
        if events is None:
            return Score(None, f"no verdict: {verdict.reason}", verdict)
        reason = f"{events.missing} of 3 steps missing, {events.errors} of 3 kinds of error"
        return Score(verdict.score(self.coefficient, self.weights), reason, verdict)
