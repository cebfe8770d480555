"""Rollouts: from prompts to groups of completions, by engines behind one small protocol."""

from pathvlm_r1.rollout.engine import Engine, EngineError, SampledCompletion
from pathvlm_r1.rollout.experience import MicroBatch, Minibatch, Rollout, passes, prompt_groups
from pathvlm_r1.rollout.hf import HFEngine
from pathvlm_r1.rollout.native import NativeEngine
from pathvlm_r1.rollout.sampling import Decoding
from pathvlm_r1.rollout.vllm import VLLMEngine
from pathvlm_r1.rollout.vllm_server import VLLMServer
from pathvlm_r1.rollout.weight_sync import AdapterSync, ReloadSync, ServedAlready, WeightSync

__all__ = [
    "AdapterSync",
    "Decoding",
    "Engine",
    "EngineError",
    "HFEngine",
    "MicroBatch",
    "Minibatch",
    "NativeEngine",
    "ReloadSync",
    "Rollout",
    "SampledCompletion",
    "ServedAlready",
    "VLLMEngine",
    "VLLMServer",
    "WeightSync",
    "passes",
    "prompt_groups",
]
