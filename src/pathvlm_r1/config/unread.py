"""Keys that the chosen parts do not read: typed by a user they are an error, and a manifest leaves their groups out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from pathvlm_r1.config.judge import JUDGE_LIMITS, LANGUAGE_MODELS, composed_within
from pathvlm_r1.config.rules import raise_any
from pathvlm_r1.config.run import TrainConfig
from pathvlm_r1.config.splits import SEALED

# Groups and keys that a stage has no use for.
UNREAD_BY_STAGE: dict[str, tuple[str, ...]] = {
    "pretrain": ("dataset", "objective", "reward", "judge", "rollout", "evaluation", "model.recipe"),
    "sft": ("objective", "model.recipe.grpo", "rollout.async_judge"),
    "grpo": ("evaluation",),  # the recipe of SFT is that of its parent
}
UNREAD_BY_TASK: dict[str, tuple[str, ...]] = {
    "evaluate": ("model.recipe", "rollout.async_judge"),
    "rl_readiness": (
        "evaluation", "output", "model.recipe.sft", "model.recipe.grpo.learning_rate", "model.recipe.grpo.max_steps",
        "model.recipe.grpo.rows_per_forward", "rollout.async_judge",
    ),
    "explain": (
        "model.recipe", "model.feature_folder", "model.max_completion_tokens", "reward", "judge", "rollout",
        "evaluation", "output",
    ),
    "rescore": ("model.checkpoint", "model.recipe", "trainer", "rollout", "evaluation", "seed", "output"),
    "overoptimisation": (
        "model.checkpoint", "model.recipe", "dataset", "trainer", "rollout", "evaluation", "output",
    ),
    "judge_audit": ("model.checkpoint", "model.recipe", "trainer", "rollout", "evaluation", "output"),
    "fetch": ("dataset",),
    "predict": ("dataset", "reward", "judge", "output", "model.recipe", "rollout.async_judge"),
}  # fmt: skip

UNREAD_BY_EXPORT = {  # of conf/task/export.yaml, which two scripts share
    "models": (
        "model.recipe", "dataset", "trainer", "reward", "judge", "rollout", "evaluation", "seed", "output",
        "target", "split", "n", "policy", "out",
    ),
    "data": ("hub_id", "private"),
}  # fmt: skip
UNREAD_BY_MEASURE: dict[str, tuple[str, ...]] = {
    "answers": ("evaluation_judge",),
    "forced_choice": (
        "evaluation_judge", "contracts", "raise_cap_to", "fresh", "blank_images", "shuffled_images", "reward", "judge",
        "model.max_completion_tokens",
    ),
    "judge_quality": ("contracts", "reward", "judge"),
}  # fmt: skip

# Everything but `resume`, and everything but that and the limits of a judge that has some.
_ALL, _ALL_BUT_LIMITS = "", "*"
_SPARED = {_ALL: {"resume"}, _ALL_BUT_LIMITS: {"resume", "judge", *(f"judge.{name}" for name in JUDGE_LIMITS)}}


def refuse_unread(typed: Sequence[str], composed: DictConfig) -> None:
    """Refuse what the user typed, if nothing reads it.

    Args:
        typed: overrides as they stand on the command line, less Hydra's own.
        composed: what Hydra made of them.

    Raises:
        ConfigError: all such keys, each with the choice that does not read it.
    """
    overrides = OverridesParser.create().parse_overrides(list(typed))
    reasons = list(_reasons(composed))
    raise_any(
        "that nothing reads",
        [
            f"{place}: {reason}; leave it out"
            for override in overrides
            for place in [override.package or override.key_or_group]  # of judge@evaluation_judge=… the second
            for reason in [next((why for part, why in reasons if _is_within(place, part)), None)]
            if reason is not None
        ],
    )


def recorded(config: TrainConfig) -> dict[str, Any]:
    """The configuration for a manifest: without the groups that the stage does not read."""
    unread = UNREAD_BY_STAGE[config.stage.name]
    return {group: values for group, values in asdict(config).items() if group not in unread}


def _reasons(composed: DictConfig) -> Iterator[tuple[str, str]]:
    """Key or group -> why it is not read; a key of `_SPARED` stands for all but those."""
    if "resume" in composed and composed.resume is not None:
        reason = f"resume={composed.resume} goes on with that run's own configuration"
        is_limited = "judge" in composed and composed.judge.name in LANGUAGE_MODELS
        yield (_ALL_BUT_LIMITS if is_limited else _ALL), reason
    if "stage" in composed:
        yield from _reasons_of_stage(composed)
    if "task" in composed and composed.task in (*UNREAD_BY_TASK, "show"):
        yield from _reasons_of_task(composed)
    if "task" in composed and composed.task == "export":
        kind = "models" if "trainer" in composed else "data"
        yield from ((key, f"task=export of {kind} does not read it") for key in UNREAD_BY_EXPORT[kind])
    if "rollout" in composed and "weight_sync" in composed.rollout and composed.rollout.weight_sync == "none":
        yield "rollout.sync_folder", "rollout.weight_sync=none sends the server no weights"
    if "reward" in composed and "process" not in composed.reward:
        yield "judge", f"reward={composed.reward.name} has no term that a judge scores"


def _reasons_of_stage(composed: DictConfig) -> Iterator[tuple[str, str]]:
    stage = composed.stage.name
    yield from ((key, f"stage={stage} does not read it") for key in UNREAD_BY_STAGE[stage])
    if stage == "sft" and any(one.name in LANGUAGE_MODELS for one in composed_within(composed.judge)):
        yield "judge", "stage=sft asks no language model, as none chooses its weights"
    if "init" in composed.stage and composed.stage.init != "auto":
        yield "stage.parent_seed", f"stage.init={composed.stage.init} looks for no parent"


def _reasons_of_task(composed: DictConfig) -> Iterator[tuple[str, str]]:
    yield from ((key, f"task={composed.task} does not read it") for key in UNREAD_BY_TASK.get(composed.task, ()))
    if composed.task == "evaluate":
        yield from _reasons_of_measure(composed)
    if composed.task == "rescore":
        yield from _reasons_of_rescoring(composed)
    if composed.task == "show" and composed.format == "jsonl":
        yield "model", "format=jsonl shows no prompts"
    if composed.task == "judge_audit" and composed.run is not None:
        yield from ((key, f"run={composed.run} has its own") for key in ("dataset", "split"))


def _reasons_of_measure(composed: DictConfig) -> Iterator[tuple[str, str]]:
    if composed.runs is not None:
        reason = f"runs={composed.runs} says which models are evaluated, and where"
        yield from ((key, reason) for key in ("model", "output"))
    if composed.split != SEALED:
        yield "confirm", f"split={composed.split} is not sealed"
    unread = f"evaluation={composed.evaluation.name} does not read it"
    yield from ((key, unread) for key in UNREAD_BY_MEASURE.get(composed.evaluation.measure, ()))


def _reasons_of_rescoring(composed: DictConfig) -> Iterator[tuple[str, str]]:
    if composed.run is None:
        yield from ((key, "completions from elsewhere belong to no run=") for key in ("verify", "ask", "bins"))
        return
    yield from ((key, f"run={composed.run} has its own") for key in ("dataset", "split"))
    if composed.verify:
        yield from ((key, "verify=true takes the reward that the run records") for key in ("reward", "out"))
    if not composed.ask:
        yield from ((key, "without ask=true no judge is asked") for key in ("judge", "bins"))


def _is_within(key: str, part: str) -> bool:
    if part in _SPARED:
        return key not in _SPARED[part]
    return key == part or key.startswith(f"{part}.")
