"""What every reward term may be asked: its weight, and what stands around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pathvlm_r1.config.rules import require, require_weight


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """Where the term counts: where another term's raw score is high enough; elsewhere it is 0."""

    term: str
    at_least: float


@dataclass(frozen=True, kw_only=True)
class NormaliseConfig:
    """The scale that the term's scores are put on, among the completions of a group or of a rollout."""

    by: Literal["z_score", "min_max"]
    over: Literal["group", "batch"]


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """What the weight is multiplied by: `first` up to `from_step`, `last` from `to_step` on, linear in between."""

    first: float
    last: float
    from_step: int
    to_step: int


@dataclass(frozen=True, kw_only=True)
class TermConfig:
    """The keys of every term, on which those of one kind build; all but the weight may be left out."""

    weight: float
    gate: GateConfig | None
    clip: tuple[float, ...] | None  # low and high
    normalise: NormaliseConfig | None
    schedule: ScheduleConfig | None


def require_term(term: TermConfig, key: str, others: Iterable[str]) -> None:
    """Refuse what a term may not be asked.

    Args:
        term: with any keys of its own, which it checks itself.
        key: where it stands.
        others: the reward's other terms.

    Raises:
        ConfigError: a weight below 0, a gate by no other term, a clip without width, a schedule without length.
    """
    require_weight(term.weight, f"{key}.weight")
    gate, clip, schedule = term.gate, term.clip, term.schedule
    if gate is not None:
        names = list(others)
        rule = f"another term of this reward: {', '.join(names) or 'there is none'}"
        require(gate.term in names, f"{key}.gate.term", gate.term, rule)
    if clip is not None:
        require(len(clip) == 2 and clip[0] < clip[1], f"{key}.clip", clip, "[low, high], low below high")
    if schedule is not None:
        require_weight(schedule.first, f"{key}.schedule.first")
        require_weight(schedule.last, f"{key}.schedule.last")
        is_ordered = 0 <= schedule.from_step < schedule.to_step
        rule = f"above {key}.schedule.from_step={schedule.from_step}, which is 0 or more"
        require(is_ordered, f"{key}.schedule.to_step", schedule.to_step, rule)
