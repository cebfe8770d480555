"""Model: Qwen2.5-VL as a policy, its processor and reference, token log-probabilities, the nano model."""

from pathvlm_r1.model.attention_maps import attention_to_picture
from pathvlm_r1.model.chat import Chat, Dialogue, Reply
from pathvlm_r1.model.clip import HFClip
from pathvlm_r1.model.encoding import (
    IGNORED,
    EncodedPicture,
    EncodedPrompt,
    EncodedRow,
    Encoder,
    SampleEncoder,
    TokenBatch,
    picture_grids,
)
from pathvlm_r1.model.features import FeatureFolder
from pathvlm_r1.model.head import HeadScores, head_log_probs
from pathvlm_r1.model.log_probs import PromptGroup, TokenLogProbs, token_log_probs
from pathvlm_r1.model.memory import PeakMemory, StepSizes, predicted_peak, readable_size
from pathvlm_r1.model.plain_step import PlainStep
from pathvlm_r1.model.policy import Policy, in_evaluation_mode
from pathvlm_r1.model.reference import Reference, reference_of

__all__ = [
    "IGNORED",
    "Chat",
    "Dialogue",
    "EncodedPicture",
    "EncodedPrompt",
    "EncodedRow",
    "Encoder",
    "FeatureFolder",
    "HFClip",
    "HeadScores",
    "PeakMemory",
    "PlainStep",
    "Policy",
    "PromptGroup",
    "Reference",
    "Reply",
    "SampleEncoder",
    "StepSizes",
    "TokenBatch",
    "TokenLogProbs",
    "attention_to_picture",
    "head_log_probs",
    "in_evaluation_mode",
    "picture_grids",
    "predicted_peak",
    "readable_size",
    "reference_of",
    "token_log_probs",
]
