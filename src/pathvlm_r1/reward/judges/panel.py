"""Several judges together: what most of them decide, with what each decided kept beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pathvlm_r1.reward.completion import Completion, Judge
from pathvlm_r1.reward.judges.errors import JudgeError
from pathvlm_r1.reward.rubric import EVENTS, STEPS, RubricEvents
from pathvlm_r1.reward.verdict import Provenance, Rule, Verdict


class Tie(StrEnum):
    """What becomes of an event that half of the voting members see."""

    STRICT = "strict"  # what pays less: a step is missing, an error is one
    LENIENT = "lenient"  # what pays more


@dataclass(frozen=True, kw_only=True)
class PanelJudge:
    """Asks every member about every completion; members without a verdict do not vote.

    The events are those of the majority under either rule. Under `Rule.MEAN` the score is the mean of the voting
    members' scores instead, which is why a verdict has its members'.

    Args:
        members: by their names in the panel, two or more.
        rule: what the score follows from.
        tie: what becomes of an event that half of them see.
        quorum: members with a verdict, below which there is none.
    """

    members: Mapping[str, Judge]
    rule: Rule
    tie: Tie
    quorum: int
    name: str = "panel"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """One verdict for each completion, in order.

        Raises:
            JudgeError: a member cannot go on; its name comes first.
        """
        asked = {name: self._asked(name, completions) for name in self.members}
        return [
            self._together({name: verdicts[row] for name, verdicts in asked.items()}) for row in range(len(completions))
        ]

    def _asked(self, name: str, completions: Sequence[Completion]) -> list[Verdict]:
        try:
            verdicts = self.members[name](completions)
        except JudgeError as error:
            raise JudgeError(f"judge.members.{name}: {error}") from error
        if len(verdicts) != len(completions):
            raise ValueError(f"{name} gave {len(verdicts)} verdicts on {len(completions)} completions")
        return verdicts

    def _together(self, members: Mapping[str, Verdict]) -> Verdict:
        votes = [member.events for member in members.values() if member.events is not None]
        silent = [f"{name}: {member.reason}" for name, member in members.items() if member.events is None]
        events, reason = None, f"{len(votes)} of {len(members)} members have a verdict"
        if len(votes) >= self.quorum:
            events = RubricEvents(**{name: self._is_present(name, votes) for name in EVENTS})
        else:
            reason += f", judge.quorum={self.quorum}"
        return Verdict(
            events, "; ".join([reason, *silent]), self._provenance(members), members=members, rule=self.rule
        )  # fmt: skip

    def _is_present(self, event: str, votes: Sequence[RubricEvents]) -> bool:
        seen = sum(vote.to_dict()[event] for vote in votes)
        if 2 * seen != len(votes):
            return 2 * seen > len(votes)
        return (event in STEPS) is (self.tie is Tie.LENIENT)

    def _provenance(self, members: Mapping[str, Verdict]) -> Provenance:
        """The panel's settings, and what all members cost together."""
        each = [member.provenance for member in members.values()]
        return Provenance(
            judge=self.name,
            revision=f"{self.rule}, ties {self.tie}, quorum {self.quorum}",
            input_tokens=sum(one.input_tokens for one in each),
            output_tokens=sum(one.output_tokens for one in each),
            cost_usd=sum(one.cost_usd for one in each),
        )
