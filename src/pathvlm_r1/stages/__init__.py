"""Stages: the LightningModules of supervised fine-tuning (and pretraining) and of GRPO."""

from pathvlm_r1.stages.ahead import AheadCollector
from pathvlm_r1.stages.completion_log import CompletionLog
from pathvlm_r1.stages.credit import Credit, LearntRollout, OnRollout
from pathvlm_r1.stages.experience import OUTAGES, Collected, Collector
from pathvlm_r1.stages.faults import TrainingError
from pathvlm_r1.stages.grpo import GRPOModule, GRPOSettings
from pathvlm_r1.stages.lookup import look_up_loss, train_look_ups
from pathvlm_r1.stages.memory import AUTOCASTS, TellPeakMemory, first_grpo_sizes, first_sft_sizes
from pathvlm_r1.stages.optimisation import linear_decay, muon_and_adamw, warmup_cosine
from pathvlm_r1.stages.optimiser_steps import OptimiserSteps
from pathvlm_r1.stages.sft import SFTModule
from pathvlm_r1.stages.signal_callback import SignalCallback
from pathvlm_r1.stages.signal_watch import Notice, SignalWatch
from pathvlm_r1.stages.sources import SourceCallback
from pathvlm_r1.stages.token_budget import TokenBudget
from pathvlm_r1.stages.validation import BestByValidation, Validate
from pathvlm_r1.stages.vision import FindingProbe, PictureBatch, train_vision

__all__ = [
    "AUTOCASTS",
    "OUTAGES",
    "AheadCollector",
    "BestByValidation",
    "Collected",
    "Collector",
    "CompletionLog",
    "Credit",
    "FindingProbe",
    "GRPOModule",
    "GRPOSettings",
    "LearntRollout",
    "Notice",
    "OnRollout",
    "OptimiserSteps",
    "PictureBatch",
    "SFTModule",
    "SignalCallback",
    "SignalWatch",
    "SourceCallback",
    "TellPeakMemory",
    "TokenBudget",
    "TrainingError",
    "Validate",
    "first_grpo_sizes",
    "first_sft_sizes",
    "linear_decay",
    "look_up_loss",
    "muon_and_adamw",
    "train_look_ups",
    "train_vision",
    "warmup_cosine",
]
