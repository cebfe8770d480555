"""What stands around a term: a clip, a gate, a normalisation, and a schedule of its weight.

They act in this order on the scores of a rollout, [B, G] with NaN where there is no verdict, and leave the raw scores
as they are: effective = normalised(gated(clipped(raw))). The total is the sum of weight(step) * effective.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

STD_FLOOR = 1e-4  # of a z-score, as in the advantages: a spread of rounding errors is no spread


class Over(StrEnum):
    """Among which completions a term is normalised."""

    GROUP = "group"  # those of the same prompt
    BATCH = "batch"  # those of the rollout, in each process its own


class By(StrEnum):
    """How."""

    Z_SCORE = "z_score"
    MIN_MAX = "min_max"


@dataclass(frozen=True)
class Clip:
    """The range that raw scores are limited to."""

    low: float
    high: float


@dataclass(frozen=True)
class Gate:
    """The term counts only where another one's raw score is high enough."""

    term: str
    at_least: float


@dataclass(frozen=True)
class Normalisation:
    """The scale that scores are put on."""

    by: By
    over: Over


@dataclass(frozen=True)
class Schedule:
    """What the weight is multiplied by: `first` up to `from_step`, `last` from `to_step` on, linear in between."""

    first: float
    last: float
    from_step: int
    to_step: int

    def at(self, step: int) -> float:
        """The factor after so many optimiser steps: a function of the step alone, so a resumed run has the same."""
        share = (step - self.from_step) / (self.to_step - self.from_step)
        return self.first + (self.last - self.first) * min(max(share, 0.0), 1.0)


@dataclass(frozen=True)
class Shape:
    """What stands around one term; None for what does not."""

    clip: Clip | None = None
    gate: Gate | None = None
    normalisation: Normalisation | None = None
    schedule: Schedule | None = None

    @property
    def is_plain(self) -> bool:
        """Whether effective scores are the raw ones."""
        return self.clip is None and self.gate is None and self.normalisation is None


PLAIN = Shape()


def shaped(raw: Mapping[str, Tensor], shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """The effective scores of every term, each [B, G] with NaN where there is no verdict.

    Args:
        raw: term -> [B, G].
        shapes: of the terms that have something around them.

    Raises:
        ValueError: a gate asks for a term that there is not.
    """
    effective = {}
    for name, values in raw.items():
        shape = shapes.get(name, PLAIN)
        if shape.clip is not None:
            values = values.clamp(shape.clip.low, shape.clip.high)  # NaN stays
        if shape.gate is not None:
            if shape.gate.term not in raw:
                raise ValueError(f"{name} is gated by {shape.gate.term}, which is no term: one of {', '.join(raw)}")
            values = gated(values, raw[shape.gate.term], shape.gate.at_least)
        if shape.normalisation is not None:
            values = normalised(values, shape.normalisation)
        effective[name] = values
    return effective


def gated(values: Tensor, by: Tensor, at_least: float) -> Tensor:
    """0 where `by` is below `at_least`, else the values; without a verdict where it is not known on which side `by` is.

    A closed gate is a 0 and no missing verdict: filled with its group's mean, a wrong answer would be paid the mean of
    what the right ones earned. It also closes on what has no verdict.

    Args:
        values: [B, G].
        by: [B, G], raw scores of the term that decides.
        at_least: from which on the gate is open.
    """
    opened = torch.where(by >= at_least, values, 0.0)
    return torch.where(by.isnan(), math.nan, opened)


def normalised(values: Tensor, how: Normalisation) -> Tensor:
    """[B, G] scores on a common scale; equal scores are 0 throughout, and what has no verdict keeps none.

        z_score: (x - mean x) / (std x + 1e-4)            min_max: (x - min x) / (max x - min x)

    Group-relative advantages centre and scale the *total* already: a single term gains nothing from a z-score within
    its group. It gives several terms the same say, whatever their spread (as `objective=gdpo` does for all).
    """
    rows = values if how.over is Over.GROUP else values.reshape(1, -1)
    return _SCALES[how.by](rows).view_as(values)


def z_scored(rows: Tensor) -> Tensor:
    """[N, K] standardised within each row by its mean and unbiased spread, NaN left out."""
    is_known = ~rows.isnan()
    count = is_known.sum(dim=-1, keepdim=True)
    shifted = torch.where(is_known, rows - _highest(rows), 0.0)  # exact zeros for equal scores, which a mean is not
    centred = torch.where(is_known, shifted - shifted.sum(dim=-1, keepdim=True) / count.clamp(min=1), 0.0)
    spread = (centred.square().sum(dim=-1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return torch.where(is_known, centred / (spread + STD_FLOOR), math.nan)


def min_maxed(rows: Tensor) -> Tensor:
    """[N, K] on [0, 1] within each row, NaN left out."""
    lowest = rows.nan_to_num(nan=math.inf).amin(dim=-1, keepdim=True)
    width = _highest(rows) - lowest
    return torch.where(width == 0, 0.0, (rows - lowest) / width).where(~rows.isnan(), math.nan)


def explained(reason: str, shape: Shape, raw: float, effective: float, by: float) -> str:
    """The reason of a raw score, and what became of it.

    Args:
        reason: of the raw score.
        shape: around the term.
        raw: score, NaN for none.
        effective: score, likewise.
        by: the raw score that the gate asks for, likewise; NaN without a gate.
    """
    said = [reason]
    if shape.clip is not None and (raw < shape.clip.low or raw > shape.clip.high):
        said.append(f"clipped to [{shape.clip.low:g}, {shape.clip.high:g}]")
    if shape.gate is not None and by < shape.gate.at_least:
        said.append(f"gated out, {shape.gate.term} is {by:g} and not {shape.gate.at_least:g}")
    elif shape.gate is not None and math.isnan(by):
        said.append(f"not counted, {shape.gate.term} has no verdict")
    if shape.normalisation is not None and not math.isnan(effective):
        said.append(f"{effective:.3g} as {shape.normalisation.by} in its {shape.normalisation.over}")
    return "; ".join(said)


def _highest(rows: Tensor) -> Tensor:
    return rows.nan_to_num(nan=-math.inf).amax(dim=-1, keepdim=True)


_SCALES: Mapping[By, Callable[[Tensor], Tensor]] = {By.Z_SCORE: z_scored, By.MIN_MAX: min_maxed}
