"""Assembly: from a checked configuration to the objects of a run, the run itself, and its evaluation."""

from pathvlm_r1.assembly.comparing import compare
from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.judging import show_judge_plan
from pathvlm_r1.assembly.processes import RUN_FOLDER
from pathvlm_r1.assembly.readiness import check_readiness
from pathvlm_r1.assembly.rescoring import rescore
from pathvlm_r1.assembly.running import Launch, train
from pathvlm_r1.assembly.scoring import evaluate, print_answer
from pathvlm_r1.assembly.showing import show
from pathvlm_r1.assembly.sweeps import what_differs

__all__ = [
    "RUN_FOLDER",
    "Launch",
    "check_readiness",
    "compare",
    "evaluate",
    "load_samples",
    "print_answer",
    "rescore",
    "show",
    "show_judge_plan",
    "train",
    "what_differs",
]
