"""What the training of a run cost, and by which reward weights, as its manifest has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pathvlm_r1.tracking import Manifest


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """The budget of one run, in the units that "matched" may refer to."""

    stage: str
    seed: int
    optimiser_steps: int
    rollouts: int | None  # None where nothing was sampled
    completions: int  # sampled, or read as references
    seconds: float  # of the whole run, its validations and export included


def training_cost(manifest: Manifest) -> TrainingCost | None:
    """What a finished SFT or GRPO run cost; None for a base model, which this study did not train."""
    stage, steps = manifest.config.get("stage"), manifest.measured.get("optimiser_steps")
    if stage is None or steps is None or manifest.seconds is None:
        return None
    if manifest.stage == "grpo":
        rollouts = -(-steps // (stage["minibatches"] * stage["num_iterations"]))
        completions = rollouts * stage["prompts_per_step"] * stage["group_size"]
    else:
        rollouts, completions = None, steps * stage["rows_per_step"]
    return TrainingCost(
        stage=manifest.arm, seed=manifest.seeds["seed"], optimiser_steps=steps, rollouts=rollouts,
        completions=completions, seconds=manifest.seconds,
    )  # fmt: skip


def weights_note(manifest: Manifest) -> str | None:
    """A sentence on weights other than 1, of terms or of the rubric's events, which no table may leave out.

    None where all are 1.
    """
    reward = manifest.config.get("reward", {}) if manifest.stage == "grpo" else {}
    terms = {**reward, **(reward.get("terms") or {})}  # the user's own stand below `terms`
    weighed = {name: term for name, term in terms.items() if isinstance(term, dict) and "weight" in term}
    apart = {name: f"{_events(term) if name == 'process' else ''}{_scheduled(term)}" for name, term in weighed.items()}
    if all(term["weight"] == 1 and not apart[name] for name, term in weighed.items()):
        return None
    listed = ", ".join(f"{name} {term['weight']:g}{apart[name]}" for name, term in weighed.items())
    return f"{manifest.arm}, seed {manifest.seeds['seed']}: reward weights {listed}"


def _events(term: Mapping[str, Any]) -> str:
    """The events of the rubric that count other than once, if any; older manifests know nothing of them."""
    other = {name: weight for name, weight in (term.get("events") or {}).items() if weight != 1}
    return f" (events {', '.join(f'{name} {weight:g}' for name, weight in other.items())})" if other else ""


def _scheduled(term: Mapping[str, Any]) -> str:
    """How a weight moves, if it does; older manifests know nothing of it."""
    schedule = term.get("schedule")
    if not schedule:
        return ""
    first, last, start, end = (schedule[key] for key in ("first", "last", "from_step", "to_step"))
    return f" (times {first:g} to {last:g} from step {start} to {end})"
