"""Judges: who decides the rubric's events, from the oracle that knows the truth to language models that cost money."""

from pathvlm_r1.reward.judges.answer import BOUNDED_SCHEMA, Answer
from pathvlm_r1.reward.judges.client import Client, Endpoint
from pathvlm_r1.reward.judges.errors import JudgeError
from pathvlm_r1.reward.judges.local import LocalChat, LocalJudge
from pathvlm_r1.reward.judges.noisy import ErrorRates, NoisyJudge
from pathvlm_r1.reward.judges.openai import Budget, OpenAIJudge
from pathvlm_r1.reward.judges.oracle import OracleJudge
from pathvlm_r1.reward.judges.panel import PanelJudge, Tie
from pathvlm_r1.reward.judges.quality import (
    QUALITIES,
    QUALITY_SCHEMA,
    QUALITY_SCHEMA_VERSION,
    Graded,
    Qualities,
    QualityJudge,
)
from pathvlm_r1.reward.judges.question import PROMPTS, Asking, Picture, Prompt, Question
from pathvlm_r1.reward.judges.rules import RulesJudge
from pathvlm_r1.reward.judges.store import NANO, opened

__all__ = [
    "BOUNDED_SCHEMA",
    "NANO",
    "PROMPTS",
    "QUALITIES",
    "QUALITY_SCHEMA",
    "QUALITY_SCHEMA_VERSION",
    "Answer",
    "Asking",
    "Budget",
    "Client",
    "Endpoint",
    "ErrorRates",
    "Graded",
    "JudgeError",
    "LocalChat",
    "LocalJudge",
    "NoisyJudge",
    "OpenAIJudge",
    "OracleJudge",
    "PanelJudge",
    "Picture",
    "Prompt",
    "Qualities",
    "QualityJudge",
    "Question",
    "RulesJudge",
    "Tie",
    "opened",
]
