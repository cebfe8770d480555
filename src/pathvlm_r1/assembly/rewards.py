"""From a reward's configuration to its terms."""

from __future__ import annotations

from pathvlm_r1.assembly.judging import judge_of
from pathvlm_r1.config import JudgeConfig, RewardConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.reward import CrossModalProcess, Format, OutcomeAccuracy, SoftOverlong, WeightedTerm


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
