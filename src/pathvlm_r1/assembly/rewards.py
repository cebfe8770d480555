"""From a reward's configuration to its terms."""

from __future__ import annotations

import logging
from dataclasses import replace

from pathvlm_r1.assembly.judging import judge_of
from pathvlm_r1.config import JudgeConfig, OracleJudgeConfig, RewardConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.reward import CrossModalProcess, Format, Missing, OutcomeAccuracy, SoftOverlong, WeightedTerm
from pathvlm_r1.reward.judges import RecordedJudge

_log = logging.getLogger(__name__)


def missing_of(reward: RewardConfig) -> Missing:
    """What becomes of a missing verdict; a choice that is kept only for comparison is warned of."""
    missing = Missing(reward.missing)
    if missing is Missing.PAPER:
        _log.warning(
            "reward.missing=paper: a reasoning without a verdict is worth half where the answer is right and nothing "
            "where it is wrong. That pays the outcome twice and teaches nothing of reasoning; grpo/missing/process "
            "counts how often"
        )
    return missing


def reward_terms(
    reward: RewardConfig, contract: Contract, judge: JudgeConfig | None, processes: int = 1
) -> list[WeightedTerm]:
    """The terms that the configuration names, with their weights.

    Args:
        reward: which terms.
        contract: under which completions are read.
        judge: of the process term; None leaves that term out.
        processes: that score at the same time, each with its share of what the judge allows.

    Raises:
        ConfigError: the judge cannot be asked.
    """
    terms = []
    if reward.accuracy is not None:
        accuracy = OutcomeAccuracy(contract, letter_and_text=reward.accuracy.letter_and_text)
        terms.append(WeightedTerm(accuracy, reward.accuracy.weight))
    if reward.format is not None:
        terms.append(WeightedTerm(Format(contract), reward.format.weight))
    if reward.process is not None and judge is not None:
        process = CrossModalProcess(judge_of(judge, contract, processes), reward.process.coefficient)
        terms.append(WeightedTerm(process, reward.process.weight))
    if reward.overlong is not None:
        overlong = SoftOverlong(reward.overlong.max_tokens, reward.overlong.buffer_tokens)
        terms.append(WeightedTerm(overlong, reward.overlong.weight))
    return terms


def recorded_terms(reward: RewardConfig, contract: Contract) -> list[WeightedTerm]:
    """The same terms for logged completions: whoever judged them, their verdicts are those of the log."""
    terms = reward_terms(reward, contract, OracleJudgeConfig(name="oracle"))
    return [
        replace(one, term=replace(one.term, judge=RecordedJudge())) if isinstance(one.term, CrossModalProcess) else one
        for one in terms
    ]
