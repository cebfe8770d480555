"""The tasks of `src/eval.py`, one for each file of `conf/task`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from omegaconf import DictConfig

from pathvlm_r1.assembly.explaining import explain
from pathvlm_r1.assembly.judge_audit import audit_judge
from pathvlm_r1.assembly.overoptimisation import report_overoptimisation
from pathvlm_r1.assembly.pushing import push
from pathvlm_r1.assembly.readiness import check_readiness
from pathvlm_r1.assembly.rescoring import rescore
from pathvlm_r1.assembly.scoring import evaluate, print_answer
from pathvlm_r1.config import (
    EvalConfig,
    ExplainConfig,
    JudgeAuditConfig,
    OveroptimisationConfig,
    PredictConfig,
    PushConfig,
    ReadinessConfig,
    RescoreConfig,
)

EVALUATION_TASKS: Mapping[str, Callable[[DictConfig], object]] = {
    "evaluate": lambda composed: evaluate(EvalConfig.checked(composed)),
    "explain": lambda composed: explain(ExplainConfig.checked(composed)),
    "export": lambda composed: push(PushConfig.checked(composed)),
    "judge_audit": lambda composed: audit_judge(JudgeAuditConfig.checked(composed)),
    "overoptimisation": lambda composed: report_overoptimisation(OveroptimisationConfig.checked(composed)),
    "predict": lambda composed: print_answer(PredictConfig.checked(composed)),
    "rescore": lambda composed: rescore(RescoreConfig.checked(composed)),
    "rl_readiness": lambda composed: check_readiness(ReadinessConfig.checked(composed)),
}
