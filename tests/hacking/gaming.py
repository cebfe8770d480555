"""How exploits are held against honest completions: the scores of every term, and the total that may not be reached.

An answer that the accuracy term credits is held against the honest right completion, every other one against the honest
wrong one: complete, self-consistent reasoning from one misread finding. An answer that cannot be read is a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exploit import Attempt, Exploit, attempts, honest
from written_completions import CONTRACT, honest_wrong

from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.reward import (
    Completion,
    CrossModalProcess,
    FinishReason,
    Format,
    Judge,
    Missing,
    OracleJudge,
    OutcomeAccuracy,
    RewardTerm,
    WeightedTerm,
    total_reward,
)
from pathvlm_r1.reward.judges import RulesJudge
from pathvlm_r1.reward.judges.oracle import reasoning

COEFFICIENT = 0.4
TOTAL = "total"
MARGIN = 1e-9  # of a sum of three terms in float64: a total within it of another is a tie

Scores = Mapping[str, float]


@dataclass(frozen=True)
class DualReward:
    """The dual reward, its accuracy in the form of the attempt; another contract, judge or format makes a wrong one."""

    contract: Contract
    judge: Judge
    form: RewardTerm

    def __call__(self, attempt: Attempt, text: str) -> Scores:
        """Every term, and the total, of a text that is written for an attempt."""
        accuracy = OutcomeAccuracy(self.contract, letter_and_text=attempt.states_text)
        terms = [accuracy, self.form, CrossModalProcess(self.judge, COEFFICIENT)]
        completion = Completion(attempt.sample, text, FinishReason.STOP, token_count=len(text))
        table = total_reward([[completion]], [WeightedTerm(term, 1.0) for term in terms], Missing.GROUP_MEAN)
        return {name: values.item() for name, values in table.terms.items()} | {TOTAL: table.total.item()}


DUAL = DualReward(CONTRACT, OracleJudge(CONTRACT), Format(CONTRACT))
WORDED = DualReward(CONTRACT, RulesJudge(), Format(CONTRACT))  # a judge that sees the text alone
REWARDS = {"oracle": DUAL, "rules": WORDED}


def honest_right(reward: DualReward, attempt: Attempt) -> Scores:
    """The scores of the reference reasoning with the right answer, in the attempt's form."""
    right = Attempt(attempt.sample, attempt.sample.answer, attempt.states_text)
    return reward(right, honest(right))


def honest_misreading(reward: DualReward, attempt: Attempt) -> Scores | None:
    """The scores of reasoning from one misread finding; None where no single misreading leads to an option."""
    written = honest_wrong(attempt.sample)
    if written is None:
        return None
    letter = CONTRACT.parse(written.text, attempt.sample.options).answer
    wrong = Attempt(attempt.sample, letter, attempt.states_text)
    return reward(wrong, wrong.written(reasoning(written.text)))


class Bounds:
    """What honest completions of some samples are paid by a reward; an exploit's total stays below."""

    def __init__(self, reward: DualReward, samples: Sequence[Sample]) -> None:
        asked = [attempt for sample in samples for attempt in attempts(sample) if attempt.is_right]
        self._right = {(each.sample.sample_id, each.states_text): honest_right(reward, each) for each in asked}
        misreadings = [honest_misreading(reward, attempt) for attempt in asked]
        self.wrong = min((scores for scores in misreadings if scores is not None), key=lambda scores: scores[TOTAL])

    def of(self, attempt: Attempt, scores: Scores) -> Scores:
        """The honest scores that a text with these scores is held against."""
        return self.right_of(attempt) if scores["accuracy"] == 1 else self.wrong

    def right_of(self, attempt: Attempt) -> Scores:
        """The scores of the honest right completion in an attempt's form."""
        return self._right[attempt.sample.sample_id, attempt.states_text]


@dataclass(frozen=True)
class Success:
    """An exploit that pays on some attempt."""

    exploit: Exploit
    attempt: Attempt
    scores: Scores
    honest_total: float

    def __str__(self) -> str:
        where = f"{self.attempt.sample.sample_id}, answer {self.attempt.block(self.attempt.letter)}"
        return f"{self.exploit.name}: {dict(self.scores)}, honest {self.honest_total} ({where})"


def successes(reward: DualReward, exploits: Sequence[Exploit], samples: Sequence[Sample]) -> list[Success]:
    """Every way in which an exploit pays: as much as honesty in total, or an answer's credit that it must not have."""
    bounds, found = Bounds(reward, samples), []
    for attempt in (attempt for sample in samples for attempt in attempts(sample)):
        for exploit in exploits:
            scores = reward(attempt, exploit.write(attempt))
            honest_total = bounds.of(attempt, scores)[TOTAL]
            is_credited = scores["accuracy"] == 1 and (exploit.names_several or not attempt.is_right)
            if scores[TOTAL] > honest_total - MARGIN or is_credited:
                found.append(Success(exploit, attempt, scores, honest_total))
    return found
