"""Stages: the LightningModules of supervised fine-tuning (and pretraining) and of GRPO."""

from pathvlm_r1.stages.faults import TrainingError
from pathvlm_r1.stages.grpo import GRPOModule, GRPOSettings
from pathvlm_r1.stages.optimisation import linear_decay, warmup_cosine
from pathvlm_r1.stages.sft import SFTModule
from pathvlm_r1.stages.validation import BestByValidation

__all__ = [
    "BestByValidation",
    "GRPOModule",
    "GRPOSettings",
    "SFTModule",
    "TrainingError",
    "linear_decay",
    "warmup_cosine",
]
