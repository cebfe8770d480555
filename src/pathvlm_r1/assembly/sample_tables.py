"""Tables of sampled completions for people, every so many optimiser steps of GRPO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pathvlm_r1.data import montage
from pathvlm_r1.reward import Completion, RewardTable
from pathvlm_r1.stages import LearntRollout
from pathvlm_r1.tracking import CompletionRow, log_completion_table

SHOWN_COMPLETIONS = 8  # in a table of samples


class SampleTables:
    """Shows some completions of the first rollout, and of each whose optimiser steps cross a multiple of `every`.

    Args:
        logger: where the tables go.
        every: optimiser steps, of which one rollout may take several; 0 for no table.
    """

    def __init__(self, logger: Any, every: int) -> None:
        self.logger = logger
        self.every = every
        self._last_step: int | None = None

    def __call__(self, rollout: LearntRollout) -> None:
        if self.every == 0:
            return
        step = rollout.step
        is_due = self._last_step is None or step // self.every > self._last_step // self.every
        self._last_step = step
        if is_due:
            log_completion_table(self.logger, table_rows(rollout.groups, rollout.rewards), step)


def table_rows(groups: Sequence[Sequence[Completion]], rewards: RewardTable) -> list[CompletionRow]:
    """The first completion of each of the first groups, with what every term gave it."""
    return [
        CompletionRow(
            question=group[0].sample.question,
            picture=montage([image.load() for image in group[0].sample.images]),
            completion=group[0].text,
            rewards={name: scores[b][0].value for name, scores in rewards.scores.items()},
            events=_true_events(rewards, b),
        )
        for b, group in enumerate(groups[:SHOWN_COMPLETIONS])
    ]


def _true_events(rewards: RewardTable, b: int) -> list[str]:
    judged = (scores[b][0].events for scores in rewards.scores.values())
    return [name for events in judged if events is not None for name, value in asdict(events).items() if value]
