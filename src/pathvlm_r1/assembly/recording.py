"""What a run records of itself: its name, its manifest, its logger; and its configuration read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from pathvlm_r1.assembly.datasets import default_config, samples_hash
from pathvlm_r1.assembly.identity import parent_record, run_hash
from pathvlm_r1.config import (
    UNREAD_BY_STAGE,
    GRPOConfig,
    PretrainConfig,
    TrainConfig,
    WandbLoggerConfig,
    recorded,
)
from pathvlm_r1.data import Sample
from pathvlm_r1.tracking import DataRecord, Manifest, RunFolder, build_logger, new_manifest, read_manifest


def run_name(config: TrainConfig) -> str:
    """Stage, what distinguishes it, dataset and seed."""
    reward = [config.reward.name] if isinstance(config.stage, GRPOConfig) else []
    return "-".join([_arm(config), *reward, config.dataset.name, f"s{config.seed}"])


def manifest_of(config: TrainConfig, folder: RunFolder, samples: Sequence[Sample]) -> Manifest:
    """A new manifest, or that of the run that goes on."""
    if folder.manifest.is_file():
        return read_manifest(folder.path)
    return new_manifest(
        name=folder.path.name, arm=_arm(config), stage=config.stage.name, config=recorded(config),
        content_hash=run_hash(config, samples), data=DataRecord(name=config.dataset.name, hash=samples_hash(samples)),
        parent=None if isinstance(config.stage, PretrainConfig) else parent_record(config.model.checkpoint),
        seeds={"seed": config.seed},
    )  # fmt: skip


def _arm(config: TrainConfig) -> str:
    return config.stage.name if isinstance(config.stage, PretrainConfig) else config.stage.arm


def logger_of(config: TrainConfig, folder: RunFolder, *, sweep: str | None, difference: str | None) -> Any:
    """The logger that is chosen; runs of a sweep share a group and are named by what differs."""
    chosen = config.logger
    if not isinstance(chosen, WandbLoggerConfig):
        return build_logger(chosen.name, folder.path)
    return build_logger(
        chosen.name, folder.path, project=chosen.project, group=chosen.group or sweep or config.dataset.name,
        job_type=config.stage.name, run_name=difference or run_name(config),
    )  # fmt: skip


def recorded_config(manifest: Manifest) -> TrainConfig:
    """The configuration of a run, from its manifest."""
    return TrainConfig.checked(OmegaConf.create({**_unread_groups(manifest.stage), **manifest.config}))


def _unread_groups(stage: str) -> dict[str, Any]:
    """What a manifest leaves out, as it stands in `conf/`: nothing depends on it."""
    default = default_config()
    return {
        group: OmegaConf.to_container(default[group], resolve=False)
        for group in UNREAD_BY_STAGE[stage]
        if group in default
    }
