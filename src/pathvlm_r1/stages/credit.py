"""Credit: how the totals of a rollout become what is compared within its groups, kept with what was learnt from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from pathvlm_r1.reward import Completion, RewardTable


@dataclass(frozen=True)
class Credit:
    """The totals of one process's share of a rollout, and what stands between them and the advantages."""

    total: Tensor  # [B, G] as the objective has it
    beta: float  # what a nat of divergence costs, where it is paid in reward
    divergence: Tensor | None = None  # [B, G] in nats, of whole completions; None: not paid in reward
    order: Tensor | None = None  # [B * G] negative control: the place, group by group, whose total each one is dealt

    @property
    def compared(self) -> Tensor:
        """[B, G] what advantages are made of: the totals less their divergence, then dealt out."""
        total = self.total
        if self.divergence is not None:
            total = total - self.beta * self.divergence
        return total if self.order is None else total.flatten()[self.order].view_as(total)


@dataclass(frozen=True, kw_only=True)
class LearntRollout:
    """One process's share of a rollout, after the optimiser steps on it."""

    index: int  # of the run's rollouts, from 0
    steps_before: int  # optimiser steps of the run before those on it
    step: int  # optimiser steps of the run with those on it
    process: int  # whose share it is
    processes: int  # that have shared it
    groups: Sequence[Sequence[Completion]]
    rewards: RewardTable
    credit: Credit
    advantages: Tensor  # [B, G] float64, those of the loss
    is_counted: Tensor  # [B, G] bool; False: the completion left the loss


OnRollout = Callable[[LearntRollout], None]
