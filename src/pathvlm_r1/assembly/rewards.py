"""From a reward's configuration to its terms."""

from __future__ import annotations

from pathvlm_r1.config import RewardConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.reward import CrossModalProcess, Format, OracleJudge, OutcomeAccuracy, SoftOverlong, WeightedTerm


def reward_terms(reward: RewardConfig, contract: Contract) -> list[WeightedTerm]:
    """The terms that the configuration names, with their weights."""
    terms = []
    if reward.accuracy is not None:
        accuracy = OutcomeAccuracy(contract, letter_and_text=reward.accuracy.letter_and_text)
        terms.append(WeightedTerm(accuracy, reward.accuracy.weight))
    if reward.format is not None:
        terms.append(WeightedTerm(Format(contract), reward.format.weight))
    if reward.process is not None:
        process = CrossModalProcess(OracleJudge(contract), reward.process.coefficient)
        terms.append(WeightedTerm(process, reward.process.weight))
    if reward.overlong is not None:
        overlong = SoftOverlong(reward.overlong.max_tokens, reward.overlong.buffer_tokens)
        terms.append(WeightedTerm(overlong, reward.overlong.weight))
    return terms
