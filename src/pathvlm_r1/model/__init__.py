"""Model: Qwen2.5-VL as a policy, its processor, adapter and reference, token log-probabilities, the embedded nano model."""

from pathvlm_r1.model.encoding import IGNORED, EncodedPrompt, EncodedRow, Encoder, TokenBatch
from pathvlm_r1.model.log_probs import PromptGroup, token_log_probs
from pathvlm_r1.model.policy import Policy

__all__ = [
    "IGNORED",
    "EncodedPrompt",
    "EncodedRow",
    "Encoder",
    "Policy",
    "PromptGroup",
    "TokenBatch",
    "token_log_probs",
]
