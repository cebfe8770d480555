"""From a configuration to what answers questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pathvlm_r1.assembly.engines import engine_of
from pathvlm_r1.assembly.policies import LoadedPolicy, load_policy
from pathvlm_r1.config import EvaluationConfig, FullConfig, ModelConfig, RolloutConfig
from pathvlm_r1.evaluation import Answerer
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.reward import WeightedTerm
from pathvlm_r1.rollout import Decoding

_NO_ADAPTER = FullConfig(name="full", train_vision=False)  # exports are merged: none is needed to read them


def answering_policy(model: ModelConfig, trainer: Mapping[str, Any]) -> LoadedPolicy:
    """The weights as they stand: nothing trains."""
    precision = str(trainer.get("precision", "32-true")).replace("-mixed", "-true")
    return load_policy(model, _NO_ADAPTER, precision=precision, temperature=1.0, is_dropout_on=False)


def answerer(encoder: SampleEncoder, model: ModelConfig, rollout: RolloutConfig, evaluation: EvaluationConfig,
             terms: Sequence[WeightedTerm]) -> Answerer:  # fmt: skip
    """Generation as `conf/evaluation` asks for it."""
    return Answerer(
        encoder=encoder,
        engine=engine_of(rollout, encoder.encoder.end_ids),
        decoding=decoding_of(evaluation, model.max_completion_tokens),
        terms=terms,
        decodes=evaluation.samples,
    )


def decoding_of(evaluation: EvaluationConfig, cap: int) -> Decoding:
    """Every setting that there is, with at most `cap` tokens of a completion."""
    return Decoding(cap, evaluation.temperature, top_k=evaluation.top_k, top_p=evaluation.top_p, min_p=evaluation.min_p)
