"""A watch over the signal of a GRPO run: says what its first steps are worth, and warns where there is nothing in them.

A step here is a training step: one rollout, whatever the number of optimiser steps that are taken on it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pathvlm_r1.evaluation import verdict
from pathvlm_r1.reward import SignalCounts


@dataclass(frozen=True)
class Notice:
    """What the user should read."""

    text: str
    is_warning: bool


class SignalWatch:
    """Counts the groups of one step after the other.

    Args:
        steps: that are summed up at the beginning; without any signal, that make a warning.
        cap_limit: share of a step's completions that may be cut at the limit of tokens without a warning.
    """

    def __init__(self, *, steps: int, cap_limit: float) -> None:
        self.steps = steps
        self.cap_limit = cap_limit
        self.seen = 0
        self.silent_steps = 0  # in a row, up to now
        self.signal_warnings = 0
        self.cap_warnings = 0
        self._cap_warned_at: int | None = None
        self._first: SignalCounts | None = None  # of the first steps
        self._silent: SignalCounts | None = None  # of the silent steps since the last warning about them

    @property
    def metrics(self) -> dict[str, float]:
        """For the step that was observed last."""
        return {
            "grpo/signal/silent_steps": float(self.silent_steps),
            "grpo/signal/warnings": float(self.signal_warnings),
            "grpo/signal/cap_warnings": float(self.cap_warnings),
        }

    def observe(self, counts: SignalCounts) -> list[Notice]:
        """Take in the next step, over all processes; returns what it gives cause to say."""
        self.seen += 1
        notices = [*self._of_cap(counts), *self._of_signal(counts)]
        if self.seen <= self.steps:
            self._first = counts if self._first is None else self._first + counts
        return [*notices, *self._summary()] if self.seen == self.steps else notices

    def unfinished_summary(self) -> list[Notice]:
        """The summary of a run that has ended before its first `steps` were full."""
        return self._summary() if self.seen < self.steps else []

    def _of_cap(self, counts: SignalCounts) -> list[Notice]:
        """At once, and again after `steps` steps if it goes on."""
        is_quiet = self._cap_warned_at is not None and self.seen < self._cap_warned_at + self.steps
        if counts.capped <= self.cap_limit * counts.completions or is_quiet:
            return []
        self.cap_warnings += 1
        self._cap_warned_at = self.seen
        text = (
            f"step {self.seen}: {counts.capped} of {counts.completions} completions were cut at the limit of tokens, "
            f"more than stage.cap_warning_share={self.cap_limit:g}; what is cut has no answer: raise "
            "model.max_completion_tokens, or train stage=sft first where they would never end"
        )
        return [Notice(text, is_warning=True)]

    def _of_signal(self, counts: SignalCounts) -> list[Notice]:
        """After `steps` steps without any signal, and after as many more."""
        if counts.with_signal:
            self.silent_steps, self._silent = 0, None
            return []
        self.silent_steps += 1
        self._silent = counts if self._silent is None else self._silent + counts
        if self.silent_steps % self.steps:
            return []
        found, self._silent = self._silent, None
        self.signal_warnings += 1
        text = f"the last {self.silent_steps} steps taught nothing. {_shares(found)}. {verdict(found).sentence}"
        return [Notice(text, is_warning=True)]

    def _summary(self) -> list[Notice]:
        if self._first is None:
            return []
        steps = min(self.seen, self.steps)
        text = f"first {steps} steps: {_shares(self._first)}. {verdict(self._first).sentence}"
        return [Notice(text, is_warning=False)]

    def state_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {
            "seen": self.seen, "silent_steps": self.silent_steps, "signal_warnings": self.signal_warnings,
            "cap_warnings": self.cap_warnings, "cap_warned_at": self._cap_warned_at, "first": _plain(self._first),
            "silent": _plain(self._silent),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.seen, self.silent_steps = state["seen"], state["silent_steps"]
        self.signal_warnings, self.cap_warnings = state["signal_warnings"], state["cap_warnings"]
        self._cap_warned_at = state["cap_warned_at"]
        self._first, self._silent = _counts(state["first"]), _counts(state["silent"])


def _shares(counts: SignalCounts) -> str:
    groups = {"all wrong": counts.all_zero, "all right": counts.all_one, "mixed": counts.mixed}
    completions = {"format": counts.formatted, "cut at the limit of tokens": counts.capped}
    of_groups = ", ".join(f"{name} {count / counts.groups:.0%}" for name, count in groups.items())
    of_completions = ", ".join(f"{name} {count / counts.completions:.0%}" for name, count in completions.items())
    return f"groups {of_groups}, without signal {counts.without_signal / counts.groups:.0%}; {of_completions}"


def _plain(counts: SignalCounts | None) -> dict[str, Any] | None:
    return None if counts is None else asdict(counts)


def _counts(plain: dict[str, Any] | None) -> SignalCounts | None:
    return None if plain is None else SignalCounts(**plain)
