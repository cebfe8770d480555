"""Every reward of `conf/reward/` on attempts, each beside the honest right completion of its question in one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from composing import CONF, changed
from exploit import Attempt, honest
from field_terms import sampled
from truthful_encoder import TruthfulEncoder
from written_completions import CONTRACT, honest_wrong

from pathvlm_r1.assembly.rewards import reward_terms
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.data import Sample
from pathvlm_r1.reward import Completion, ImageTextAlignment, Missing, RewardTable, Score, WeightedTerm, total_reward

NAMES = sorted(path.stem for path in CONF.glob("reward/*.yaml"))


class Remembered:
    """A term that is asked once about a text, whichever reward it is in."""

    def __init__(self, term, scores):
        self.term, self.scores, self.name = term, scores, term.name

    def __call__(self, completion: Completion) -> Score:
        key = (self.name, completion.sample.sample_id, completion.text)
        if key not in self.scores:
            self.scores[key] = self.term(completion)
        return self.scores[key]


@dataclass(frozen=True)
class Shipped:
    """One file of `conf/reward/`; findings and pictures are compared by an encoder that knows the truth."""

    terms: Sequence[WeightedTerm]
    missing: Missing

    @classmethod
    def named(cls, name: str, samples: Sequence[Sample], scores: dict[object, Score], *typed: str) -> Shipped:
        """The file of a name, and what is typed beside it; `scores` is shared between files."""
        choices = [f"reward={name}", *typed]
        config = TrainConfig.checked(changed("train", choices, {"model.max_completion_tokens": 384}))
        terms = reward_terms(config.reward, CONTRACT, config.judge)
        truthful = ImageTextAlignment(TruthfulEncoder(samples))
        seen = [replace(one, term=truthful) if one.term.name == truthful.name else one for one in terms]
        kept = [replace(one, term=Remembered(one.term, scores)) for one in seen]
        return cls(kept, Missing(config.reward.missing))

    def paid(self, completions: Sequence[Completion]) -> RewardTable:
        """Each in column 1 of a group of two: the honest right completion of its question is in column 0.

        A term that does not apply is so worth what the honest completion has in it: the best that silence can get.
        """
        return total_reward([[honest_right(each.sample), each] for each in completions], self.terms, self.missing)

    def paid_beside(self, peer: Completion, completions: Sequence[Completion]) -> list[float]:
        """The totals of completions of one question, each in a group with the same peer."""
        table = total_reward([[peer, each] for each in completions], self.terms, self.missing)
        return [float(total) for total in table.total[:, 1]]


def honest_right(sample: Sample) -> Completion:
    """The reference reasoning with the right answer."""
    return sampled(sample, honest(Attempt(sample, sample.answer, states_text=False)))


def honest_misread(samples: Sequence[Sample]) -> list[Completion]:
    """Complete, self-consistent reasoning from one misread finding, wherever there is one."""
    return [sampled(sample, wrong.text) for sample in samples if (wrong := honest_wrong(sample)) is not None]
