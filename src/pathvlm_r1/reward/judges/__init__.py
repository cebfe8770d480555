"""Judges: who decides the rubric's events, from the oracle that knows the truth to language models that cost money."""

from pathvlm_r1.reward.judges.client import Client, Endpoint
from pathvlm_r1.reward.judges.errors import JudgeError
from pathvlm_r1.reward.judges.openai import Budget, OpenAIJudge
from pathvlm_r1.reward.judges.oracle import OracleJudge
from pathvlm_r1.reward.judges.question import PROMPTS, Asking, Picture, Prompt
from pathvlm_r1.reward.judges.store import NANO, opened

__all__ = [
    "NANO",
    "PROMPTS",
    "Asking",
    "Budget",
    "Client",
    "Endpoint",
    "JudgeError",
    "OpenAIJudge",
    "OracleJudge",
    "Picture",
    "Prompt",
    "opened",
]
