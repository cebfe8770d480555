"""One training run from its configuration to its export: parent, folder, manifest, fit, best weights, hand-over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from omegaconf import DictConfig
from pytorch_lightning import Callback, Trainer, seed_everything

from pathvlm_r1.assembly.datasets import announce_floor, load_samples, mixture_sources, samples_hash
from pathvlm_r1.assembly.finishing import finish
from pathvlm_r1.assembly.identity import run_hash
from pathvlm_r1.assembly.judging import require_judge, with_typed_limits
from pathvlm_r1.assembly.mixtures import refuse_unjudged
from pathvlm_r1.assembly.parents import implied_parent, parent_command
from pathvlm_r1.assembly.policies import found_checkpoint, trainability
from pathvlm_r1.assembly.processes import (
    RUN_FOLDER,
    Processes,
    StopTogether,
    handed_on,
    processes_of,
    refuse_missing_gpu,
    refuse_shared_server,
    refuse_undivided,
)
from pathvlm_r1.assembly.recording import logger_of, manifest_of, recorded_config, run_name
from pathvlm_r1.assembly.sample_tables import SampleTables
from pathvlm_r1.assembly.training import Training, build_training
from pathvlm_r1.assembly.verified_sets import require_verified
from pathvlm_r1.config import EMBEDDED, ConfigError, GRPOConfig, JudgeConfig, MixtureConfig, PretrainConfig, TrainConfig
from pathvlm_r1.data import Sample
from pathvlm_r1.stages import OUTAGES
from pathvlm_r1.tracking import (
    AtomicCheckpointIO,
    LastCheckpoint,
    RunFolder,
    RunInterrupted,
    StepProgress,
    create_run_folder,
    ensure_writable,
    find_finished,
    graceful_interrupt,
    read_manifest,
    run_record,
    summarised,
)

CHECKPOINT_EVERY = 50  # optimiser steps between rolling checkpoints

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launch:
    """How a run was started."""

    sweep: str | None = None  # name of the sweep that the run belongs to
    difference: str | None = None  # what tells it from the sweep's other runs
    typed: Sequence[str] = ()  # the overrides of the command
    joined: str | None = None  # the folder of the run that the first of several processes has begun


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
        return resume(Path(config.resume).expanduser(), launch, config.judge)
    processes = _checked_processes(config, launch)
    if not processes.is_first:
        return _join(processes, launch)
    if not isinstance(config.stage, PretrainConfig):
        found_checkpoint(config.model.checkpoint)
    ensure_writable(Path(config.output))
    samples = _training_samples(config)
    if not isinstance(config.stage, PretrainConfig) and config.stage.init == "auto":
        parent = find_or_train_parent(composed, config, launch, processes)
        config = _beginning_with(config, str(parent.export))
    elif config.model.checkpoint != EMBEDDED:
        config = _beginning_with(config, config.model.checkpoint)
    folder = create_run_folder(Path(config.output), run_name(config))
    _run(Job(config, folder, samples, processes), launch, ckpt_path=None)
    return folder


def resume(path: Path, launch: Launch, judge: JudgeConfig) -> RunFolder:
    """Go on with an interrupted run, under its own configuration but for typed limits of its judge.

    Raises:
        ConfigError: the run has finished, or has no checkpoint yet, or its data have changed.
        RunInterrupted: the user ended it early again.
    """
    manifest, folder = read_manifest(path), RunFolder(path)
    if manifest.status == "finished":
        raise ConfigError(f"resume={path}: this run has finished; its weights are in {folder.export}")
    if not _can_go_on(manifest.stage, folder):
        raise ConfigError(f"resume={path}: no checkpoint was written before the run ended; start it again")
    config = with_typed_limits(recorded_config(manifest), judge, launch.typed)
    processes = _checked_processes(config, launch)
    samples = _training_samples(config)
    if samples_hash(samples) != manifest.data.hash:
        raise ConfigError(
            f"resume={path}: dataset={config.dataset.name} has changed since this run began; start it again"
        )
    ckpt_path = folder.last_checkpoint if folder.last_checkpoint.is_file() else None
    _run(Job(config, folder, samples, processes), launch, ckpt_path=ckpt_path)
    return folder


def _can_go_on(stage: str, folder: RunFolder) -> bool:
    """With a checkpoint; pretraining also without one: its phases before the first step keep what they finished."""
    return folder.last_checkpoint.is_file() or stage == "pretrain"


def _join(processes: Processes, launch: Launch) -> RunFolder:
    """Train beside the first process, in the run that it has begun."""
    if launch.joined is None:
        raise ConfigError(
            f"process {processes.rank} of {processes.count} was not launched by the first one, which alone makes the "
            f"run's folder; start one process and let Lightning launch the others, or give its folder in {RUN_FOLDER}"
        )
    folder = RunFolder(Path(launch.joined))
    config = recorded_config(read_manifest(folder.path))
    _run(Job(config, folder, _training_samples(config), processes), launch, ckpt_path=None)
    return folder


def _checked_processes(config: TrainConfig, launch: Launch) -> Processes:
    if isinstance(config.stage, GRPOConfig) and config.reward.process is not None:
        require_judge(config.judge)
    processes = processes_of(config.trainer)
    refuse_missing_gpu(config.stage, processes.device)
    refuse_undivided(config.stage, processes.count)
    refuse_shared_server(config.rollout, processes.count)
    if processes.count > 1 and launch.sweep is not None:
        raise ConfigError(
            f"-m: a sweep trains in one process, trainer.* asks for {processes.count}; give a command for each run"
        )
    return processes


def find_or_train_parent(
    composed: DictConfig, config: TrainConfig, launch: Launch, processes: Processes
) -> RunFolder:  # fmt: skip
    """The finished SFT run that this configuration implies; if there is none, a single process trains it now.

    Raises:
        ConfigError: there is none, and several processes are to start from it.
    """
    implied = implied_parent(composed)
    parent = TrainConfig.checked(implied)
    wanted = run_hash(parent, _training_samples(parent))
    output = Path(config.output)
    with FileLock(output / f".{wanted[:16]}.lock"):
        found = find_finished(output, wanted)
        if found is not None:
            _log.info("stage.init=auto: starting from the SFT run %s", found.path)
            return found
        if processes.count > 1:
            raise ConfigError(
                f"stage.init=auto: no finished SFT run of this configuration under {output}, and {processes.count} "
                f"processes train no parent on the way; train it first: {parent_command(launch.typed, composed)}"
            )
        _log.info("stage.init=auto: no finished SFT run of this configuration under %s; training it first", output)
        try:
            return train(implied, replace(launch, difference=None))
        except RunInterrupted as interrupt:
            raise RunInterrupted(f"{interrupt}; then give this command again") from interrupt


def _beginning_with(config: TrainConfig, checkpoint: str) -> TrainConfig:
    """With a checkpoint that is found from any working directory, since the manifest keeps it."""
    return replace(config, model=replace(config.model, checkpoint=found_checkpoint(checkpoint)))


def _training_samples(config: TrainConfig) -> list[Sample]:
    split = "sft" if isinstance(config.stage, PretrainConfig) else config.stage.split
    if isinstance(config.dataset, MixtureConfig):
        refuse_unjudged(config, mixture_sources(config.dataset))
    samples = load_samples(config.dataset, split)
    if config.verified is not None:
        require_verified(config.verified, config.dataset, split, samples)
        require_verified(config.verified, config.dataset, "validation", load_samples(config.dataset, "validation"))
    return samples


@dataclass(frozen=True)
class Job:
    """What one process trains."""

    config: TrainConfig
    folder: RunFolder
    samples: Sequence[Sample]  # of the training split
    processes: Processes


@dataclass(frozen=True)
class Fitted:
    """A stage after its last step in this process."""

    training: Training
    step: int
    is_interrupted: bool


def _run(job: Job, launch: Launch, *, ckpt_path: Path | None) -> None:
    seed_everything(job.config.seed, workers=True, verbose=False)
    if not job.processes.is_first:  # the first one writes for all
        _fit(job, logger=False, ckpt_path=ckpt_path)
        return
    go_on = f"go on with: python src/train.py resume={job.folder.path}"
    try:
        fitted = _recorded_fit(job, launch, ckpt_path=ckpt_path)
    except KeyboardInterrupt as interrupt:  # the second Ctrl-C, or the first one outside the steps
        if not _can_go_on(job.config.stage.name, job.folder):
            raise
        raise RunInterrupted(f"interrupted; {go_on}") from interrupt
    except OUTAGES as error:
        if not job.folder.last_checkpoint.is_file():
            raise
        raise type(error)(f"{error}; {go_on}") from error
    if fitted.is_interrupted:
        raise RunInterrupted(f"interrupted at step {fitted.step}; {go_on}")


def _recorded_fit(job: Job, launch: Launch, *, ckpt_path: Path | None) -> Fitted:
    """Fit and finish with a manifest before and after."""
    config, folder = job.config, job.folder
    logger = logger_of(config, folder, sweep=launch.sweep, difference=launch.difference)
    with run_record(folder, manifest_of(config, folder, job.samples)) as record, summarised(logger, record.measured):
        if not isinstance(config.stage, PretrainConfig):
            announce_floor(config.dataset.name, job.samples, load_samples(config.dataset, "validation"))
        with handed_on(folder):
            fitted = _fit(job, logger=logger, ckpt_path=ckpt_path)
        record.measured["optimiser_steps"] = fitted.step
        record.is_interrupted = fitted.is_interrupted
        if not fitted.is_interrupted:
            finish(config, folder, fitted.training, record)
    return fitted


def _fit(job: Job, *, logger: Any, ckpt_path: Path | None) -> Fitted:
    config = job.config
    every = config.stage.samples_every if isinstance(config.stage, GRPOConfig) else 0
    training = build_training(
        config, job.folder, job.samples, on_rollout=SampleTables(logger, every), processes=job.processes.count
    )
    if job.processes.is_first:
        _log.info("%s\n%s", job.folder.path, trainability(training.policy))
    with graceful_interrupt() as interrupt:
        stop = StopTogether(lambda: interrupt.is_requested)
        trainer = _trainer(config, job.folder, (*training.callbacks, stop), logger)
        trainer.fit(training.module, datamodule=training.data, ckpt_path=ckpt_path, weights_only=True)
    is_interrupted = stop.has_stopped and trainer.global_step < config.trainer["max_steps"]
    return Fitted(training, trainer.global_step, is_interrupted)


def _trainer(config: TrainConfig, folder: RunFolder, callbacks: Sequence[Callback], logger: Any) -> Trainer:
    steps = int(config.trainer["max_steps"])
    return Trainer(
        **config.trainer,
        max_epochs=-1,
        logger=logger,
        callbacks=[
            *callbacks,
            LastCheckpoint(folder.checkpoints, CHECKPOINT_EVERY, saved_before=OUTAGES),
            StepProgress(run_name(config), steps),
        ],
        plugins=[AtomicCheckpointIO()],
        default_root_dir=folder.path,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
