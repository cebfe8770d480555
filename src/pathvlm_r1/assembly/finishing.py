"""The end of a training run: best weights, figures and export, and of GRPO the verification of its log."""

from __future__ import annotations

import logging
from dataclasses import replace

from pathvlm_r1.assembly.logged_runs import logged_run
from pathvlm_r1.assembly.training import Training
from pathvlm_r1.assembly.verifying import verify_rewards
from pathvlm_r1.config import GRPOConfig, TrainConfig
from pathvlm_r1.stages import BestByValidation
from pathvlm_r1.tracking import RunFolder, RunRecord, export_model, model_card, read_manifest, write_text

_log = logging.getLogger(__name__)


def finish(config: TrainConfig, folder: RunFolder, training: Training, record: RunRecord) -> None:
    """Best weights back, the figures of what is handed over, the export; with all that in place, the log is verified.

    Raises:
        TrackingError: rewards or advantages in the log are not what the configuration gives.
    """
    record.measured |= _last_metrics(training)
    for callback in training.callbacks:
        if isinstance(callback, BestByValidation):
            callback.restore_best(training.policy)
            record.measured["validation"] = callback.history
            record.measured["best_step"] = callback.best["step"]
            record.measured |= {f"validation/{name}": value for name, value in callback.final.items()}
    provenance = {"run": folder.path.name, "stage": config.stage.name, "seed": config.seed}
    export_model(training.policy.model, training.encoder.processor, folder.export, provenance)
    manifest = replace(read_manifest(folder.path), measured=record.measured)
    write_text(folder.export / "README.md", model_card(manifest))
    if isinstance(config.stage, GRPOConfig) and config.stage.log_completions:
        _log.info("%s", verify_rewards(logged_run(folder.path), steps=record.measured["optimiser_steps"]))
    _log.info("finished: %s", folder.export)


def _last_metrics(training: Training) -> dict[str, float]:
    return {name: float(value) for name, value in training.module.trainer.callback_metrics.items()}
