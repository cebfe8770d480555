"""Rollouts: from prompts to groups of completions, by engines behind one small protocol."""

from pathvlm_r1.rollout.experience import MicroBatch, Minibatch, Rollout, passes, prompt_groups
from pathvlm_r1.rollout.native import NativeEngine, SampledCompletion
from pathvlm_r1.rollout.sampling import Decoding

__all__ = [
    "Decoding",
    "MicroBatch",
    "Minibatch",
    "NativeEngine",
    "Rollout",
    "SampledCompletion",
    "passes",
    "prompt_groups",
]
