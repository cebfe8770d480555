"""The SFT run that `stage.init=auto` starts from: its configuration, and the command that trains it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pathvlm_r1.assembly.datasets import CONF
from pathvlm_r1.config import JUDGES_BY_DATASET

# What a GRPO command may type and its parent's must not: read by GRPO alone, or replaced by the parent's own.
_CHILDS_OWN = (
    "stage", "seed", "output", "objective", "reward", "judge", "model.recipe.grpo", "trainer.max_steps",
)  # fmt: skip


def implied_parent(composed: DictConfig) -> DictConfig:
    """The configuration of the SFT run that another stage's implies.

    Its validations are judged by the oracle where the data have one: children of several judges share it, whichever of
    them is trained first.
    """
    implied = composed.copy()
    if "oracle" in JUDGES_BY_DATASET[composed.dataset.kind]:
        implied.judge = OmegaConf.load(CONF / "judge" / "oracle.yaml")
    implied.stage = OmegaConf.load(CONF / "stage" / "sft.yaml")
    implied.trainer.max_steps = "${stage.max_steps}"
    implied.seed = composed.stage.parent_seed
    return implied


def parent_command(typed: Sequence[str], composed: DictConfig) -> str:
    """The command that trains that run.

    Args:
        typed: overrides of the stage that looks for it.
        composed: what Hydra made of them.
    """
    overrides = OverridesParser.create().parse_overrides(list(typed))
    kept = [
        str(override.input_line)
        for override in overrides
        if not any(f"{override.key_or_group}.".startswith(f"{own}.") for own in _CHILDS_OWN)
        and not (override.key_or_group == "experiment" and _sets_the_stage(str(override.value())))
    ]
    own = ["stage=sft", *kept, f"seed={composed.stage.parent_seed}", f"output={composed.output}"]
    return shlex.join(["python", "src/train.py", *own])


def _sets_the_stage(experiment: str) -> bool:
    path = CONF / "experiment" / f"{experiment}.yaml"
    return path.is_file() and "stage" in OmegaConf.load(path)
