"""The total reward of groups of completions: a weighted sum of terms, in which a term without a verdict is no zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import torch
from torch import Tensor

from pathvlm_r1.contract import Contract
from pathvlm_r1.reward.completion import Completion, RewardTerm, Score, score_all
from pathvlm_r1.reward.judges.errors import JudgeError
from pathvlm_r1.reward.shaping import PLAIN, Shape, explained, shaped

PAPER_FALLBACK = 0.5  # of both halves of the process score


class Missing(StrEnum):
    """What becomes of a term that has no verdict for some completion of a group."""

    GROUP_MEAN = "group_mean"  # that completion gets the term's mean over the group's verdicts
    DROP_TERM = "drop_term"  # the term is left out for the whole group
    STOP = "stop"  # the run ends
    PAPER = "paper"  # 0.5 where the answer is right, else 0: the outcome in place of a verdict, as the paper has it


@dataclass(frozen=True)
class WeightedTerm:
    """A term with its factor in the total, and what stands around it."""

    term: RewardTerm
    weight: float
    shape: Shape = PLAIN

    def weight_at(self, step: int) -> float:
        """The factor after so many optimiser steps."""
        return self.weight if self.shape.schedule is None else self.weight * self.shape.schedule.at(step)


@dataclass(frozen=True)
class RewardTable:
    """The rewards of B groups of G completions."""

    terms: Mapping[str, Tensor]  # name -> [B, G] raw scores, float64, NaN where there is no verdict
    scores: Mapping[str, tuple[tuple[Score, ...], ...]]  # name -> the same with reasons and events
    total: Tensor  # [B, G] float64, finite
    counted: Tensor  # [B, G] bool; False: no term had a verdict, the completion must leave the loss
    effective: Mapping[str, Tensor] = field(
        default_factory=dict
    )  # name -> [B, G] as they enter the total, NaN likewise
    completed: Mapping[str, Tensor] = field(default_factory=dict)  # name -> the same with what fills the gaps
    weighted: tuple[WeightedTerm, ...] = ()  # in the order of the names
    step: int = 0  # optimiser steps that were taken, for the weights that depend on them

    @property
    def weights(self) -> dict[str, float]:
        """Of each term its factor in the total, at this step."""
        return {one.term.name: one.weight_at(self.step) for one in self.weighted}

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of each term what stands around it."""
        return {one.term.name: one.shape for one in self.weighted}

    def at(self, step: int) -> RewardTable:
        """The same scores with the weights of another step: a rollout may be judged before the step that it is for."""
        moved = replace(self, step=step)
        return replace(moved, total=_total(moved)) if any(shape.schedule for shape in self.shapes.values()) else moved

    def reason(self, name: str, b: int, g: int) -> str:
        """Why a term counts for a completion what it does: the score's reason, and what became of the score."""
        shape = self.shapes.get(name, PLAIN)
        by = math.nan if shape.gate is None else float(self.terms[shape.gate.term][b, g])
        raw, effective = (float(values[name][b, g]) for values in (self.terms, self.effective))
        return explained(self.scores[name][b][g].reason, shape, raw, effective, by)


def total_reward(
    groups: Sequence[Sequence[Completion]], terms: Sequence[WeightedTerm], missing: Missing
) -> RewardTable:
    """Score every completion in every term and sum, with the weights of a run's first step (`RewardTable.at`: another).

        total[b, g] = sum over terms of weight(step) * effective[b, g],        effective: `shaping.shaped` of the scores

    A completion without any verdict gets the mean of its group's counted totals (0 if there are none), so that it moves
    no peer away from the mean.

    Args:
        groups: B groups of G completions each; a group answers one prompt.
        terms: with different names.
        missing: what becomes of a term without a verdict.

    Raises:
        ValueError: no group, groups of unequal size, a group of several samples, no terms, two terms of one name, or a
            gate by a term that there is not.
        JudgeError: a verdict is missing and `missing` is to stop, or the judge itself cannot go on.
    """
    _check(groups, terms)
    scores = {weighted.term.name: _scored(weighted.term, groups) for weighted in terms}
    if missing is Missing.STOP:
        _require_verdicts(groups, scores)
    values = {name: _tensor(rows) for name, rows in scores.items()}
    effective = shaped(values, {weighted.term.name: weighted.shape for weighted in terms})
    stacked = torch.stack(list(effective.values()))  # [terms, B, G]
    counted = ~stacked.isnan().all(dim=0)
    completed = dict(zip(effective, _COMPLETED[missing](stacked, counted, groups), strict=True))
    table = RewardTable(values, scores, stacked[0], counted, effective, completed, tuple(terms))
    return replace(table, total=_total(table))


def _total(table: RewardTable) -> Tensor:
    """[B, G] the weighted sum of what counts, the mean of its group's for a completion without any verdict."""
    completed = torch.stack(list(table.completed.values()))  # [terms, B, G]
    factors = completed.new_tensor(list(table.weights.values()))[:, None, None]
    total = (factors * completed).sum(dim=0)
    return torch.where(table.counted, total, _group_mean(torch.where(table.counted, total, math.nan)))


def _check(groups: Sequence[Sequence[Completion]], terms: Sequence[WeightedTerm]) -> None:
    sizes = {len(group) for group in groups}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"groups have {sorted(sizes)} completions: [B, G] needs B >= 1 groups of one size G >= 1")
    mixed = [row for row, group in enumerate(groups) if len({completion.sample.sample_id for completion in group}) > 1]
    if mixed:
        raise ValueError(f"groups {mixed} hold completions of several samples: a group answers one prompt")
    names = [weighted.term.name for weighted in terms]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"terms are {names}: there must be at least one, and each name once")


def _scored(term: RewardTerm, groups: Sequence[Sequence[Completion]]) -> tuple[tuple[Score, ...], ...]:
    """[B, G] scores; the term sees all groups at once."""
    scores = iter(score_all(term, [completion for group in groups for completion in group]))
    return tuple(tuple(next(scores) for _ in group) for group in groups)


def _require_verdicts(
    groups: Sequence[Sequence[Completion]], scores: Mapping[str, tuple[tuple[Score, ...], ...]]
) -> None:
    for name, rows in scores.items():
        without = [
            (completion.sample.sample_id, score.reason)
            for group, row in zip(groups, rows, strict=True)
            for completion, score in zip(group, row, strict=True)
            if score.value is None
        ]
        if without:
            sample_id, reason = without[0]
            raise JudgeError(
                f"reward.missing=stop: {name} has no score for {len(without)} of {sum(map(len, groups))} completions; "
                f"the first, of {sample_id}: {reason}"
            )


def _tensor(rows: Sequence[Sequence[Score]]) -> Tensor:
    values = [[math.nan if score.value is None else score.value for score in row] for row in rows]
    return torch.tensor(values, dtype=torch.float64)


def _with_group_means(stacked: Tensor, _counted: Tensor, _groups: Sequence[Sequence[Completion]]) -> Tensor:
    """[terms, B, G] without NaN: the mean of the group's verdicts; 0 where the whole group has none."""
    return torch.where(stacked.isnan(), _group_mean(stacked), stacked)


def _without_incomplete_terms(stacked: Tensor, counted: Tensor, _groups: Sequence[Sequence[Completion]]) -> Tensor:
    """[terms, B, G] without NaN: 0 for a whole group in which a counted completion lacks the term."""
    is_incomplete = (stacked.isnan() & counted).any(dim=-1, keepdim=True)
    return torch.where(is_incomplete | stacked.isnan(), 0.0, stacked)


def _with_the_outcome(stacked: Tensor, _counted: Tensor, groups: Sequence[Sequence[Completion]]) -> Tensor:
    """[terms, B, G] without NaN: `PAPER_FALLBACK` for a completion whose answer is right, 0 for any other."""
    contract = Contract()
    is_right = [[contract.parse(c.text, c.sample.options).answer == c.sample.answer for c in group] for group in groups]
    return torch.where(stacked.isnan(), PAPER_FALLBACK * stacked.new_tensor(is_right), stacked)


def _group_mean(values: Tensor) -> Tensor:
    """[..., G] with NaN to [..., 1]: the mean of each group's numbers, exact where they are equal; 0 for none."""
    largest = values.nan_to_num(nan=-math.inf).amax(dim=-1, keepdim=True)
    return (largest + (values - largest).nanmean(dim=-1, keepdim=True)).nan_to_num(nan=0.0)


_COMPLETED: Mapping[Missing, Callable[[Tensor, Tensor, Sequence[Sequence[Completion]]], Tensor]] = {
    Missing.GROUP_MEAN: _with_group_means,
    Missing.DROP_TERM: _without_incomplete_terms,
    Missing.STOP: _with_group_means,  # nothing is missing
    Missing.PAPER: _with_the_outcome,
}
