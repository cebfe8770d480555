"""Tracking: run folder, manifest, checkpoints, export, console progress, interrupts and loggers."""

from pathvlm_r1.tracking.checkpoints import AtomicCheckpointIO, LastCheckpoint
from pathvlm_r1.tracking.console import say
from pathvlm_r1.tracking.export import export_model
from pathvlm_r1.tracking.files import (
    TrackingError,
    append_text,
    disk_faults_explained,
    file_hash,
    sync,
    write_atomically,
    write_bytes,
    write_json,
    write_text,
)
from pathvlm_r1.tracking.interrupts import Interrupt, RunInterrupted, graceful_interrupt
from pathvlm_r1.tracking.loggers import CompletionRow, build_logger, log_completion_table, summarised
from pathvlm_r1.tracking.manifest import (
    DataRecord,
    Manifest,
    ParentRecord,
    RunRecord,
    content_hash,
    find_finished,
    manifests_below,
    new_manifest,
    read_manifest,
    run_record,
)
from pathvlm_r1.tracking.model_card import model_card
from pathvlm_r1.tracking.progress import StepProgress, progress_over
from pathvlm_r1.tracking.pushing import HUB_TOKEN, push_export
from pathvlm_r1.tracking.run_folder import RunFolder, create_run_folder, ensure_writable
from pathvlm_r1.tracking.step_metrics import MeasuredModule

__all__ = [
    "HUB_TOKEN",
    "AtomicCheckpointIO",
    "CompletionRow",
    "DataRecord",
    "Interrupt",
    "LastCheckpoint",
    "Manifest",
    "MeasuredModule",
    "ParentRecord",
    "RunFolder",
    "RunInterrupted",
    "RunRecord",
    "StepProgress",
    "TrackingError",
    "append_text",
    "build_logger",
    "content_hash",
    "create_run_folder",
    "disk_faults_explained",
    "ensure_writable",
    "export_model",
    "file_hash",
    "find_finished",
    "graceful_interrupt",
    "log_completion_table",
    "manifests_below",
    "model_card",
    "new_manifest",
    "progress_over",
    "push_export",
    "read_manifest",
    "run_record",
    "say",
    "summarised",
    "sync",
    "write_atomically",
    "write_bytes",
    "write_json",
    "write_text",
]
