"""A judge that is wrong at a stated rate: another judge's verdicts with a confusion matrix per event, for studies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ldexp

from pathvlm_r1.reward.completion import Completion, Judge
from pathvlm_r1.reward.rubric import EVENTS, RubricEvents
from pathvlm_r1.reward.verdict import Verdict

_MANTISSA_BITS = 53  # of a float: so many of a hash make a number in [0, 1), and never 1


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """The confusion matrix of one event: how often it is told wrongly."""

    false_present: float  # P(said present | absent)
    false_absent: float  # P(said absent | present)

    def of(self, *, is_present: bool) -> float:
        """How often what the wrapped judge decided is turned round."""
        return self.false_absent if is_present else self.false_present


@dataclass(frozen=True, kw_only=True)
class NoisyJudge:
    """Turns every event of another judge's verdicts round at its rate; a missing verdict stays missing.

    Whether it does follows from (seed, event, sample, text) alone: a completion has the same verdict in any batch,
    order, process and resumed run, equal texts have equal verdicts, and of two judges of one seed the less noisy one is
    wrong only where the other one is. Members of a panel that should err independently need different seeds.
    """

    judge: Judge
    seed: int
    rates: Mapping[str, ErrorRates]  # of every event
    name: str = "noisy"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """One verdict for each completion, in order."""
        verdicts = self.judge(completions)
        return [self._garbled(*pair) for pair in zip(completions, verdicts, strict=True)]

    @property
    def revision(self) -> str:
        """SHA-256 of seed and rates."""
        settings = {"seed": self.seed, "rates": {name: asdict(self.rates[name]) for name in EVENTS}}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def _garbled(self, completion: Completion, verdict: Verdict) -> Verdict:
        provenance = replace(
            verdict.provenance, judge=self.name, wraps=verdict.provenance.judge, revision=self.revision
        )
        if verdict.events is None:
            return replace(verdict, provenance=provenance)
        told = verdict.events.to_dict()
        turned = [name for name in EVENTS if self._is_turned(name, completion, is_present=told[name])]
        events = RubricEvents.from_dict(told | {name: not told[name] for name in turned})
        reason = f"{verdict.reason}; turned round: {', '.join(turned) or 'nothing'}"
        return replace(verdict, events=events, reason=reason, provenance=provenance)

    def _is_turned(self, event: str, completion: Completion, *, is_present: bool) -> bool:
        drawn = hashlib.sha256(
            json.dumps([self.seed, event, completion.sample.sample_id, completion.text]).encode()
        ).digest()
        uniform = ldexp(int.from_bytes(drawn[:8]) >> (64 - _MANTISSA_BITS), -_MANTISSA_BITS)
        return uniform < self.rates[event].of(is_present=is_present)
