"""Whether the rewards and advantages that a GRPO run has logged are what its configuration gives."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pathvlm_r1.assembly.logged_runs import LoggedRun, Rewarded, rewarded
from pathvlm_r1.evaluation import LoggedCompletion
from pathvlm_r1.tracking import TrackingError

ADVANTAGE_TOLERANCE = 1e-12  # relative and absolute: sums in float64 may go another way on another device


@dataclass(frozen=True)
class _Mismatch:
    logged: LoggedCompletion
    what: str  # a term, total, advantage, ...
    was: object
    given: object


def verify_rewards(run: LoggedRun, *, steps: int | None = None) -> str:
    """Compute everything again that can be, and hold it against the log.

    Terms and totals must be equal in every bit, advantages to `ADVANTAGE_TOLERANCE`. The judge's verdicts, divergences
    paid in reward, and whose total a completion was dealt in the negative control are taken from the log.

    Args:
        run: with its log.
        steps: optimiser steps that the run has taken; None: not known.

    Returns:
        What was verified, and what was taken from the log, in one sentence.

    Raises:
        TrackingError: something differs; names the first step, sample and term.
    """
    path = run.folder.completions_of(0)
    if steps is not None and run.rollouts[-1].step != steps:
        raise TrackingError(f"{path}: ends at step {run.rollouts[-1].step} of {steps}; lines are missing")
    found = [mismatch for one in rewarded(run, run.config.reward) for mismatch in _differing(one)]
    if found:
        first, counts = found[0], Counter(mismatch.what for mismatch in found)
        logged = first.logged
        raise TrackingError(
            f"{path}: step {logged.step}, sample {logged.sample_id}, completion {logged.index} of its group (process "
            f"{logged.process}): {first.what} was logged as {first.was!r}, and the run's configuration gives "
            f"{first.given!r}; differing in all: {', '.join(f'{what} {n}' for what, n in counts.items())} of "
            f"{len(run.completions)} completions"
        )
    return _sentence(run)


def _sentence(run: LoggedRun) -> str:
    reward = run.config.reward
    taken = ["the judge's verdicts"] if reward.process is not None else []
    taken += ["the encoder's similarities"] if reward.image_text_alignment is not None else []
    taken += [f"the scores of {name}" for name in reward.own]
    taken += ["divergences"] if run.pays_divergence else []
    taken += ["who was dealt whose reward at random"] if run.stage.shuffle_rewards else []
    from_log = f"; taken from the log: {', '.join(taken)}" if taken else ""
    return (
        f"verified: terms, totals and advantages of all {len(run.completions)} completions in {len(run.rollouts)} "
        f"rollouts are what the configuration gives{from_log}"
    )


def _differing(one: Rewarded) -> Iterator[_Mismatch]:
    """Of one rollout: terms before totals and totals before advantages, which follow from them, also those of peers."""
    yield from _differing_terms(one)
    for name, given in {"total": one.total, "counted": one.counted}.items():
        for logged, value in zip(one.rollout.completions, given.flatten().tolist(), strict=True):
            if (was := getattr(logged, name)) != value:
                yield _Mismatch(logged, name, was, value)
    for logged, value in zip(one.rollout.completions, one.advantages.flatten().tolist(), strict=True):
        if not math.isclose(logged.advantage, value, rel_tol=ADVANTAGE_TOLERANCE, abs_tol=ADVANTAGE_TOLERANCE):
            yield _Mismatch(logged, "advantage", logged.advantage, value)


def _differing_terms(one: Rewarded) -> Iterator[_Mismatch]:
    given = {name: values.flatten().tolist() for name, values in one.terms.items()}
    for place, logged in enumerate(one.rollout.completions):
        if list(logged.terms) != list(given):
            yield _Mismatch(logged, "terms", list(logged.terms), list(given))
            continue
        for name, values in given.items():
            value = None if math.isnan(values[place]) else values[place]
            if (was := logged.terms[name].value) != value:
                yield _Mismatch(logged, name, was, value)
