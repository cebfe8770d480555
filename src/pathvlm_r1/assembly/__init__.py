"""Assembly: from a checked configuration to the objects of a run, the run itself, and its evaluation."""

from pathvlm_r1.assembly.comparing import compare
from pathvlm_r1.assembly.data_audit import audit_dataset
from pathvlm_r1.assembly.data_export import export_dataset
from pathvlm_r1.assembly.data_fetch import fetch_dataset
from pathvlm_r1.assembly.data_split import split_dataset
from pathvlm_r1.assembly.data_verify import verify_dataset
from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.evaluation_tasks import EVALUATION_TASKS
from pathvlm_r1.assembly.judging import show_judge_plan
from pathvlm_r1.assembly.processes import RUN_FOLDER
from pathvlm_r1.assembly.reporting import report_runs
from pathvlm_r1.assembly.running import Launch, train
from pathvlm_r1.assembly.scoring import evaluate
from pathvlm_r1.assembly.showing import show
from pathvlm_r1.assembly.sweeps import what_differs

__all__ = [
    "EVALUATION_TASKS",
    "RUN_FOLDER",
    "Launch",
    "audit_dataset",
    "compare",
    "evaluate",
    "export_dataset",
    "fetch_dataset",
    "load_samples",
    "report_runs",
    "show",
    "show_judge_plan",
    "split_dataset",
    "train",
    "verify_dataset",
    "what_differs",
]
