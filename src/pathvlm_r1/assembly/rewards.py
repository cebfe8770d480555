"""From a reward's configuration to its terms."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from inspect import isclass
from typing import Any

from hydra.utils import instantiate

from pathvlm_r1.assembly.judging import judge_of
from pathvlm_r1.config import (
    JudgeConfig,
    OracleJudgeConfig,
    OwnTermConfig,
    ProcessConfig,
    RewardConfig,
    TermConfig,
    found_target,
)
from pathvlm_r1.contract import Contract
from pathvlm_r1.reward import (
    AnswerConsistency,
    By,
    Clip,
    CrossModalProcess,
    Format,
    Gate,
    ImageTextAlignment,
    Judge,
    LengthBand,
    Missing,
    Normalisation,
    OutcomeAccuracy,
    Over,
    OwnTerm,
    RecordedJudge,
    RecordedTerm,
    Repetition,
    RewardTerm,
    Schedule,
    Shape,
    SoftOverlong,
    TextSimilarity,
    WeightedTerm,
)

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
    """The terms that the configuration names, with their weights and what stands around them.

    Args:
        reward: which terms.
        contract: under which completions are read.
        judge: of the process term; None leaves that term out.
        processes: that score at the same time, each with its share of what the judge allows.

    Raises:
        ConfigError: the judge cannot be asked.
    """
    around = reward.around
    terms = [*_of_the_method(reward, contract, judge, processes), *_of_the_field(reward, contract)]
    terms += [_own_term(own, name) for name, own in reward.own.items()]
    return [WeightedTerm(term, around[term.name].weight, _shape(around[term.name])) for term in terms]


def process_term(process: ProcessConfig, judge: Judge) -> CrossModalProcess:
    """The process term of a judge."""
    events = None if process.events is None else vars(process.events)
    return CrossModalProcess(judge, process.coefficient, events)


def recorded_terms(reward: RewardConfig, contract: Contract, logged: RewardConfig) -> list[WeightedTerm]:
    """The same terms for logged completions.

    Whoever judged them, their verdicts are those of the log. So are the scores of an encoder and of a user's own terms,
    where the run had them with the same settings: they may not come out the same in every bit, and may have cost money.

    Args:
        reward: which terms.
        contract: under which completions are read.
        logged: the reward of the run that the completions are from.
    """
    terms = reward_terms(reward, contract, OracleJudgeConfig(name="oracle"))
    return [replace(one, term=_recorded(one.term, reward, logged)) for one in terms]


def _recorded(term: RewardTerm, reward: RewardConfig, logged: RewardConfig) -> RewardTerm:
    if isinstance(term, CrossModalProcess):
        return replace(term, judge=RecordedJudge())
    if isinstance(term, ImageTextAlignment):
        asked, kept = reward.image_text_alignment, logged.image_text_alignment
        is_kept = asked is not None and kept is not None and asked.encoder == kept.encoder
        return RecordedTerm(term.name) if is_kept else term
    if isinstance(term, OwnTerm):
        own, earlier = reward.own[term.name], logged.own.get(term.name)
        is_kept = earlier is not None and (own.target, own.settings) == (earlier.target, earlier.settings)
        return RecordedTerm(term.name) if is_kept else term
    return term


def _of_the_method(
    reward: RewardConfig, contract: Contract, judge: JudgeConfig | None, processes: int
) -> Iterator[RewardTerm]:
    if reward.accuracy is not None:
        yield OutcomeAccuracy(contract, letter_and_text=reward.accuracy.letter_and_text)
    if reward.format is not None:
        yield Format(contract)
    if reward.process is not None and judge is not None:
        yield process_term(reward.process, judge_of(judge, contract, processes))


def _of_the_field(reward: RewardConfig, contract: Contract) -> Iterator[RewardTerm]:
    if reward.text_similarity is not None:
        yield TextSimilarity()
    if reward.image_text_alignment is not None:
        yield ImageTextAlignment(instantiate(reward.image_text_alignment.encoder))
    if reward.consistency is not None:
        yield AnswerConsistency(contract)
    if reward.length is not None:
        yield LengthBand(reward.length.min_tokens, reward.length.max_tokens, reward.length.falloff_tokens)
    if reward.overlong is not None:
        yield SoftOverlong(reward.overlong.max_tokens, reward.overlong.buffer_tokens)
    if reward.repetition is not None:
        yield Repetition(reward.repetition.ngram_size)


def _own_term(own: OwnTermConfig, name: str) -> OwnTerm:
    """A function with its settings, or what a class of these settings makes."""
    target = found_target(own.target, f"reward.terms.{name}._target_")
    function: Any = target(**own.settings) if isclass(target) else partial(target, **own.settings)
    return OwnTerm(function, name)


def _shape(term: TermConfig) -> Shape:
    clip, gate, normalise, schedule = term.clip, term.gate, term.normalise, term.schedule
    return Shape(
        clip=None if clip is None else Clip(*clip),
        gate=None if gate is None else Gate(gate.term, gate.at_least),
        normalisation=None if normalise is None else Normalisation(By(normalise.by), Over(normalise.over)),
        schedule=None if schedule is None else Schedule(**vars(schedule)),
    )
