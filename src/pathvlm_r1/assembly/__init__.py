"""Assembly: from a checked configuration to the objects of a run, the run itself, and its evaluation."""

from pathvlm_r1.assembly.comparing import compare
from pathvlm_r1.assembly.data_tasks import DATA_TASKS
from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.evaluation_tasks import EVALUATION_TASKS
from pathvlm_r1.assembly.judging import show_judge_plan
from pathvlm_r1.assembly.processes import RUN_FOLDER
from pathvlm_r1.assembly.reporting import report_runs
from pathvlm_r1.assembly.running import Launch, train
from pathvlm_r1.assembly.scoring import evaluate
from pathvlm_r1.assembly.sweeps import what_differs

__all__ = [
    "DATA_TASKS",
    "EVALUATION_TASKS",
    "RUN_FOLDER",
    "Launch",
    "compare",
    "evaluate",
    "load_samples",
    "report_runs",
    "show_judge_plan",
    "train",
    "what_differs",
]
