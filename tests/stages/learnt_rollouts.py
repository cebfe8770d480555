"""Rollouts as the loop hands them on, with plain credit where a test asks for no other."""

from pathvlm_r1.grpo import group_relative_advantages
from pathvlm_r1.stages import Credit, LearntRollout


def learnt(groups, rewards, **changes):
    """The first rollout of a run of one process, in which totals are compared as they are."""
    credit = changes.pop("credit", Credit(rewards.total, beta=0.0))
    first = {
        "index": 0, "steps_before": 0, "step": 1, "process": 0, "processes": 1, "is_counted": rewards.counted,
        "advantages": group_relative_advantages(credit.compared),
    }  # fmt: skip
    return LearntRollout(groups=groups, rewards=rewards, credit=credit, **(first | changes))
