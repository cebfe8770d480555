"""Configurations for the tests of this folder: what hydra composes from `conf/`, with values changed."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from pathvlm_r1.config import (
    AuditConfig,
    CompareConfig,
    ConfigError,
    DataConfig,
    EvalConfig,
    ExplainConfig,
    ExportConfig,
    FetchConfig,
    JudgeAuditConfig,
    OveroptimisationConfig,
    PredictConfig,
    PushConfig,
    ReadinessConfig,
    ReportConfig,
    RescoreConfig,
    SplitConfig,
    TrainConfig,
    VerifyConfig,
)

CONF = Path(__file__).parents[2] / "conf"
ENTRY_POINTS = {"train": TrainConfig, "eval": EvalConfig, "report": ReportConfig, "data": DataConfig}
TASKS = {
    "task=explain": ExplainConfig, "task=export": PushConfig, "task=judge_audit": JudgeAuditConfig,
    "task=overoptimisation": OveroptimisationConfig,
    "task=predict": PredictConfig, "task=rl_readiness": ReadinessConfig, "task=rescore": RescoreConfig,
    "task=compare": CompareConfig,
}  # fmt: skip
REPORT_TASKS = ("task=tables", "task=compare")
WITH_ROOT = (
    "bccd", "pathmmu", "pathmmu_paper", "omnimedvqa", "omnimedvqa_hard", "pathvqa", "vqa_rad", "slake", "pmc_vqa",
    "medxpertqa_mm", "jsonl", "llama_factory", "trl", "parquet", "hf",
)  # fmt: skip
DATA_TASKS = {
    "task=audit": AuditConfig, "task=export": ExportConfig, "task=fetch": FetchConfig, "task=show": DataConfig,
    "task=split": SplitConfig, "task=verify": VerifyConfig,
}  # fmt: skip
NEEDED = {
    **{f"dataset={name}": (f"dataset.root=/data/{name}",) for name in WITH_ROOT},
    "experiment=bccd": ("dataset.root=/data/bccd",),
    "predict": ("image=a.png", "question=Which?", "options=[yes, no]"),
    "rescore": ("completions=a.jsonl",),
    "judge_audit": ("completions=a.jsonl",),
    "overoptimisation": ("runs=outputs",),
    "task=fetch": ("source=owner/name", f"revision={'0' * 40}", "out=fetched"),
    "compare": ("a=outputs/a", "b=outputs/b"),
}
NEEDED_OF_EXPORT = {  # two scripts share its file
    "data": ("target=trl", "split=test", "out=exported"),
    "eval": ("hub_id=me/name", "model.checkpoint=outputs/a/export"),
}  # fmt: skip


@cache
def composed(name: str, *overrides: str) -> DictConfig:
    """What hydra composes, with a value for what a choice leaves open."""
    keys = NEEDED | {"task=export": NEEDED_OF_EXPORT.get(name, ())}
    with initialize_config_dir(str(CONF), version_base="1.3"):
        needed = [value for key in keys if any(o.endswith(key) for o in overrides) for value in keys[key]]
        return compose(name, [*overrides, *needed])


def changed(name: str, choices: list[str], values: dict[str, object]) -> DictConfig:
    """What hydra composes for `choices` and, as `key=value` or `+key=value`, for `values`."""
    result = composed(name, *choices).copy()
    for key, value in values.items():
        OmegaConf.update(result, key, value, merge=False, force_add=True)
    return result


def choices(group: str) -> list[str]:
    """What may be typed for a group, one per file."""
    return [f"{group}={path.stem}" for path in sorted((CONF / group).glob("*.yaml"))]


def message_of(name: str, group_choices: list[str], values: dict[str, object]) -> str:
    """With which words the entry point refuses a configuration."""
    with pytest.raises(ConfigError) as caught:
        schema_of(name, group_choices).checked(changed(name, group_choices, values))
    return str(caught.value)


def schema_of(name: str, group_choices: Sequence[str]) -> type:
    """The dataclass of an entry point's configuration; `src/eval.py` and `src/data.py` have one per task."""
    tasks = DATA_TASKS if name == "data" else TASKS
    return next((tasks[choice] for choice in group_choices if choice in tasks), ENTRY_POINTS[name])


ANSWERING = ("evaluation=greedy", "evaluation=sampled")  # what a training can validate by, and one question be asked
MEASURING = [choice for choice in choices("evaluation") if choice not in ANSWERING]


def _options(group: str) -> Sequence[str]:
    return ANSWERING if group == "evaluation" else choices(group)


def spread(rows: list[tuple[str, ...]], *groups: str | list[str]) -> list[tuple[str, ...]]:
    """Every row with one choice of each group more, so that each choice stands in some row."""
    options = [_options(group) if isinstance(group, str) else group for group in groups]
    assert all(len(option) <= len(rows) for option in options)
    return [(*row, *(option[index % len(option)] for option in options)) for index, row in enumerate(rows)]
