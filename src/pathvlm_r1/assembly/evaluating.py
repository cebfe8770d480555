"""From a configuration to what answers questions."""

from __future__ import annotations

from collections.abc import Sequence

from pathvlm_r1.assembly.engines import engine_of
from pathvlm_r1.config import EvaluationConfig, ModelConfig, RolloutConfig
from pathvlm_r1.evaluation import Answerer
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.reward import WeightedTerm
from pathvlm_r1.rollout import Decoding


def answerer(encoder: SampleEncoder, model: ModelConfig, rollout: RolloutConfig, evaluation: EvaluationConfig,
             terms: Sequence[WeightedTerm]) -> Answerer:  # fmt: skip
    """Generation as `conf/evaluation` asks for it."""
    return Answerer(
        encoder=encoder,
        engine=engine_of(rollout, encoder.encoder.end_ids),
        decoding=Decoding(
            model.max_completion_tokens, evaluation.temperature,
            top_k=evaluation.top_k, top_p=evaluation.top_p, min_p=evaluation.min_p,
        ),
        terms=terms,
        decodes=evaluation.samples,
    )  # fmt: skip
