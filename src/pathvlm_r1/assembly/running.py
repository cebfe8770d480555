"""One training run from its configuration to its export: parent, folder, manifest, fit, best weights, hand-over."""

from __future__ import annotations

import logging
from collections import ChainMap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer, seed_everything

from pathvlm_r1.assembly.datasets import CONF, announce_floor, load_samples, samples_hash
from pathvlm_r1.assembly.identity import parent_record, run_hash
from pathvlm_r1.assembly.policies import found_checkpoint, trainability
from pathvlm_r1.assembly.training import Training, build_training
from pathvlm_r1.config import (
    EMBEDDED,
    UNREAD_BY_STAGE,
    ConfigError,
    GRPOConfig,
    PretrainConfig,
    TrainConfig,
    WandbLoggerConfig,
    recorded,
)
from pathvlm_r1.data import Sample
from pathvlm_r1.reward import Completion, RewardTable
from pathvlm_r1.stages import BestByValidation
from pathvlm_r1.tracking import (
    AtomicCheckpointIO,
    CompletionRow,
    DataRecord,
    LastCheckpoint,
    RunFolder,
    RunInterrupted,
    RunRecord,
    StepProgress,
    build_logger,
    create_run_folder,
    ensure_writable,
    export_model,
    find_finished,
    graceful_interrupt,
    log_completion_table,
    new_manifest,
    read_manifest,
    run_record,
    summarised,
)

SHOWN_COMPLETIONS = 8  # in a table of samples
CHECKPOINT_EVERY = 50  # optimiser steps between rolling checkpoints

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launch:
    """How a run was started."""

    trainer: str  # name of the trainer group's file, for the parent's run
    sweep: str | None = None  # name of the sweep that the run belongs to
    difference: str | None = None  # what tells it from the sweep's other runs


def train(composed: DictConfig, launch: Launch) -> RunFolder:
    """Train what the configuration asks for; `stage.init=auto` trains the missing parent first.

    Args:
        composed: as Hydra composed it.
        launch: how it was started.

    Raises:
        ConfigError: before anything is loaded.
        DatasetError: the data cannot be used.
        TrackingError: `output` cannot be written to.
        RunInterrupted: the user ended it early.
    """
    config = TrainConfig.checked(composed)
    if config.resume is not None:
        return resume(Path(config.resume).expanduser(), launch)
    if not isinstance(config.stage, PretrainConfig):
        found_checkpoint(config.model.checkpoint)
    ensure_writable(Path(config.output))
    samples = _training_samples(config)
    if not isinstance(config.stage, PretrainConfig) and config.stage.init == "auto":
        parent = find_or_train_parent(composed, config, launch)
        config = _beginning_with(config, str(parent.export))
    elif config.model.checkpoint != EMBEDDED:
        config = _beginning_with(config, config.model.checkpoint)
    folder = create_run_folder(Path(config.output), run_name(config))
    _run(config, folder, samples, launch, ckpt_path=None)
    return folder


def resume(path: Path, launch: Launch) -> RunFolder:
    """Go on with an interrupted run, under its own configuration.

    Raises:
        ConfigError: the run has finished, or has no checkpoint yet, or its data have changed.
        RunInterrupted: the user ended it early again.
    """
    manifest, folder = read_manifest(path), RunFolder(path)
    if manifest.status == "finished":
        raise ConfigError(f"resume={path}: this run has finished; its weights are in {folder.export}")
    ckpt_path = folder.last_checkpoint if folder.last_checkpoint.is_file() else None
    if ckpt_path is None and not any(folder.checkpoints.glob("*.safetensors")):  # of a phase before the first step
        raise ConfigError(f"resume={path}: no checkpoint was written before the run ended; start it again")
    config = TrainConfig.checked(OmegaConf.create({**_unread_groups(manifest.stage), **manifest.config}))
    samples = _training_samples(config)
    if samples_hash(samples) != manifest.data.hash:
        raise ConfigError(
            f"resume={path}: dataset={config.dataset.name} has changed since this run began; start it again"
        )
    _run(config, folder, samples, launch, ckpt_path=ckpt_path)
    return folder


def find_or_train_parent(composed: DictConfig, config: TrainConfig, launch: Launch) -> RunFolder:
    """The finished SFT run that this configuration implies, trained now if there is none; one process at a time."""
    implied = composed.copy()
    implied.stage = OmegaConf.load(CONF / "stage" / "sft.yaml")
    trainer = OmegaConf.load(CONF / "trainer" / f"{launch.trainer}.yaml")
    implied.trainer = OmegaConf.merge(trainer, {"max_steps": "${stage.max_steps}"})
    implied.seed = composed.stage.parent_seed
    parent = TrainConfig.checked(implied)
    wanted = run_hash(parent, _training_samples(parent))
    output = Path(config.output)
    with FileLock(output / f".{wanted[:16]}.lock"):
        found = find_finished(output, wanted)
        if found is not None:
            _log.info("stage.init=auto: starting from the SFT run %s", found.path)
            return found
        _log.info("stage.init=auto: no finished SFT run of this configuration under %s; training it first", output)
        try:
            return train(implied, replace(launch, difference=None))
        except RunInterrupted as interrupt:
            raise RunInterrupted(f"{interrupt}; then give this command again") from interrupt


def _unread_groups(stage: str) -> dict[str, Any]:
    """What a manifest leaves out, as it stands in `conf/`: nothing depends on it."""
    chosen = ChainMap(*(entry for entry in OmegaConf.load(CONF / "train.yaml").defaults if not isinstance(entry, str)))
    groups = [group for group in UNREAD_BY_STAGE[stage] if group in chosen]
    return {group: OmegaConf.load(CONF / group / f"{chosen[group]}.yaml") for group in groups}


def _beginning_with(config: TrainConfig, checkpoint: str) -> TrainConfig:
    """With a checkpoint that is found from any working directory, since the manifest keeps it."""
    return replace(config, model=replace(config.model, checkpoint=found_checkpoint(checkpoint)))


def run_name(config: TrainConfig) -> str:
    """Stage, what distinguishes it, dataset and seed."""
    reward = [config.reward.name] if isinstance(config.stage, GRPOConfig) else []
    arm = config.stage.name if isinstance(config.stage, PretrainConfig) else config.stage.arm
    return "-".join([arm, *reward, config.dataset.name, f"s{config.seed}"])


def _training_samples(config: TrainConfig) -> list[Sample]:
    split = "sft" if isinstance(config.stage, PretrainConfig) else config.stage.split
    return load_samples(config.dataset, split)


def _run(
    config: TrainConfig, folder: RunFolder, samples: Sequence[Sample], launch: Launch, *, ckpt_path: Path | None
) -> None:
    seed_everything(config.seed, workers=True, verbose=False)
    logger = _logger(config, folder, launch)
    with run_record(folder, _manifest(config, folder, samples)) as record, summarised(logger, record.measured):
        training = build_training(config, folder, samples, on_rollout=_sample_table(config, logger))
        if not isinstance(config.stage, PretrainConfig):
            announce_floor(config.dataset.name, samples, load_samples(config.dataset, "validation"))
        _log.info("%s\n%s", folder.path, trainability(training.policy))
        trainer = _trainer(config, folder, training, logger)
        with graceful_interrupt(lambda: setattr(trainer, "should_stop", True)) as interrupt:
            trainer.fit(training.module, datamodule=training.data, ckpt_path=ckpt_path, weights_only=True)
        record.measured["optimiser_steps"] = trainer.global_step
        if interrupt.is_requested and trainer.global_step < config.trainer["max_steps"]:
            record.is_interrupted = True
        elif trainer.is_global_zero:
            _finish(config, folder, training, record)
    if record.is_interrupted:
        raise RunInterrupted(
            f"interrupted at step {trainer.global_step}; go on with: python src/train.py resume={folder.path}"
        )


def _finish(config: TrainConfig, folder: RunFolder, training: Training, record: RunRecord) -> None:
    """Best weights back, then the export."""
    for callback in training.callbacks:
        if isinstance(callback, BestByValidation):
            callback.restore_best(training.policy)
            record.measured["validation"] = callback.history
            record.measured["best_step"] = callback.best["step"]
            record.measured["validation_accuracy"] = callback.best["accuracy"]
    record.measured |= _last_metrics(training)
    provenance = {"run": folder.path.name, "stage": config.stage.name, "seed": config.seed}
    export_model(training.policy.model, training.encoder.processor, folder.export, provenance)
    _log.info("finished: %s", folder.export)


def _last_metrics(training: Training) -> dict[str, float]:
    return {name: float(value) for name, value in training.module.trainer.callback_metrics.items()}


def _manifest(config: TrainConfig, folder: RunFolder, samples: Sequence[Sample]) -> Any:
    """A new manifest, or that of the run that goes on."""
    if folder.manifest.is_file():
        return read_manifest(folder.path)
    arm = config.stage.name if isinstance(config.stage, PretrainConfig) else config.stage.arm
    return new_manifest(
        name=folder.path.name, arm=arm, stage=config.stage.name, config=recorded(config),
        content_hash=run_hash(config, samples), data=DataRecord(name=config.dataset.name, hash=samples_hash(samples)),
        parent=None if isinstance(config.stage, PretrainConfig) else parent_record(config.model.checkpoint),
        seeds={"seed": config.seed},
    )  # fmt: skip


def _logger(config: TrainConfig, folder: RunFolder, launch: Launch) -> Any:
    chosen = config.logger
    if not isinstance(chosen, WandbLoggerConfig):
        return build_logger(chosen.name, folder.path)
    return build_logger(
        chosen.name, folder.path, project=chosen.project, group=chosen.group or launch.sweep or config.dataset.name,
        job_type=config.stage.name, run_name=launch.difference or run_name(config),
    )  # fmt: skip


def _trainer(config: TrainConfig, folder: RunFolder, training: Training, logger: Any) -> Trainer:
    steps = int(config.trainer["max_steps"])
    return Trainer(
        **config.trainer,
        max_epochs=-1,
        logger=logger,
        callbacks=[
            *training.callbacks,
            LastCheckpoint(folder.checkpoints, CHECKPOINT_EVERY),
            StepProgress(run_name(config), steps),
        ],
        plugins=[AtomicCheckpointIO()],
        default_root_dir=folder.path,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _sample_table(
    config: TrainConfig, logger: Any
) -> Callable[[int, Sequence[Sequence[Completion]], RewardTable], None]:
    """Shows some completions of a rollout every `stage.samples_every` optimiser steps."""
    every = config.stage.samples_every if isinstance(config.stage, GRPOConfig) else 0

    def show(step: int, groups: Sequence[Sequence[Completion]], rewards: RewardTable) -> None:
        if every == 0 or (step != 1 and step % every):
            return
        rows = [
            CompletionRow(
                question=completion.sample.question,
                picture=completion.sample.image.load(),
                completion=completion.text,
                rewards={name: scores[b][g].value for name, scores in rewards.scores.items()},
                events=_true_events(rewards, b, g),
            )
            for b, group in enumerate(groups)
            for g, completion in enumerate(group[:1])
        ]
        log_completion_table(logger, rows[:SHOWN_COMPLETIONS], step)

    return show


def _true_events(rewards: RewardTable, b: int, g: int) -> list[str]:
    judged = (scores[b][g].events for scores in rewards.scores.values())
    return [name for events in judged if events is not None for name, value in asdict(events).items() if value]
