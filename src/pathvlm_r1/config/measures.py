"""What an evaluation measures, and who judges it."""

from __future__ import annotations

from pathvlm_r1.config.generation import JudgeQualityConfig, MeasureConfig
from pathvlm_r1.config.judge import JudgeConfig, OpenAIJudgeConfig
from pathvlm_r1.config.rules import ConfigError, require


def require_evaluation_judge(evaluation: MeasureConfig, judge: JudgeConfig | None) -> None:
    """Refuse a judgement of quality without a language model, the only judge that gives one.

    Raises:
        ConfigError: another judge, none, or one of its values is out of range.
    """
    if not isinstance(evaluation, JudgeQualityConfig):
        return
    if not isinstance(judge, OpenAIJudgeConfig):
        name = "null" if judge is None else judge.name
        raise ConfigError(f"evaluation_judge={name}: evaluation=judge_quality needs judge@evaluation_judge=openai")
    judge.require_ranges("evaluation_judge")
    prompt = judge.prompt
    require(prompt.startswith("quality_"), "evaluation_judge.prompt", prompt, "a prompt on qualities: quality_v1")
