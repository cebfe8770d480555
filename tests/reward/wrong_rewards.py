"""Wrong versions of reward terms and totals; the tests show each of them caught."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from pathvlm_r1.contract import Contract, Parsed
from pathvlm_r1.reward import Completion, Missing, RewardTable, WeightedTerm, total_reward


@dataclass(frozen=True)
class FirstLetterContract(Contract):
    """Takes the first letter that it finds: an answer block that lists Option A to D is read as A."""

    def parse(self, text: str, options: Sequence[str]) -> Parsed:
        letters = re.findall(r"\b[A-D]\b", text.partition("<answer>")[2])
        return replace(super().parse(text, options), answer=letters[0] if letters else None)


def none_as_zero_total(
    groups: Sequence[Sequence[Completion]], terms: Sequence[WeightedTerm], missing: Missing
) -> RewardTable:
    """A term without a verdict is left out of one completion's sum, which is a zero."""
    return _with_missing_as(0.0, groups, terms, missing)


def half_for_every_answer_total(
    groups: Sequence[Sequence[Completion]], terms: Sequence[WeightedTerm], missing: Missing
) -> RewardTable:
    """A term without a verdict is a half, whatever the answer."""
    return _with_missing_as(0.5, groups, terms, missing)


def _with_missing_as(
    value: float, groups: Sequence[Sequence[Completion]], terms: Sequence[WeightedTerm], missing: Missing
) -> RewardTable:
    table = total_reward(groups, terms, missing)
    weights = {weighted.term.name: weighted.weight for weighted in terms}
    summed = sum(weights[name] * values.nan_to_num(nan=value) for name, values in table.terms.items())
    return replace(table, total=torch.as_tensor(summed))


def one_row_off_total(
    groups: Sequence[Sequence[Completion]], terms: Sequence[WeightedTerm], missing: Missing
) -> RewardTable:
    """Every group is scored with the sample of the next."""
    return _paired([group[0].sample for group in [*groups[1:], groups[0]]], groups, terms, missing)


def repeated_twice_total(
    groups: Sequence[Sequence[Completion]], terms: Sequence[WeightedTerm], missing: Missing
) -> RewardTable:
    """Rows that are repeated G times already are repeated G times again: right for one prompt, wrong for more."""
    samples = [completion.sample for group in groups for completion in group for _ in group]
    return _paired([samples[row * len(group)] for row, group in enumerate(groups)], groups, terms, missing)


def _paired(samples, groups, terms, missing) -> RewardTable:
    moved = [
        [replace(completion, sample=sample) for completion in group]
        for sample, group in zip(samples, groups, strict=True)
    ]
    return total_reward(moved, terms, missing)
