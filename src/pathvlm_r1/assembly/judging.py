"""From a judge's configuration to the judge, and to what it would ask and cost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig
from rich import get_console

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.config import (
    JUDGE_LIMITS,
    ConfigError,
    GRPOConfig,
    JudgeConfig,
    NoisyJudgeConfig,
    OpenAIJudgeConfig,
    PanelJudgeConfig,
    RulesJudgeConfig,
    TrainConfig,
    changed_within,
    composed_within,
    judges_within,
    paid_judges,
)
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.reward import Completion, FinishReason, Judge, OracleJudge, Rule
from pathvlm_r1.reward.judges import (
    NANO,
    PROMPTS,
    QUALITY_SCHEMA,
    QUALITY_SCHEMA_VERSION,
    Asking,
    Budget,
    Client,
    Endpoint,
    ErrorRates,
    NoisyJudge,
    OpenAIJudge,
    PanelJudge,
    Prompt,
    QualityJudge,
    RulesJudge,
    Tie,
    opened,
)

_BYTES_PER_TOKEN = 4  # of English text, roughly
_SAMPLED = 32  # questions that an estimate is made from


def judge_of(config: JudgeConfig, contract: Contract, processes: int = 1) -> Judge:
    """The judge of `judge=…`.

    Args:
        config: of the judge.
        contract: under which completions are read.
        processes: that share a limit on requests.

    Raises:
        ConfigError: its key or its prompt is not there.
    """
    require_judge(config)
    match config:
        case PanelJudgeConfig():
            members = {name: judge_of(member, contract, processes) for name, member in config.members.items()}
            return PanelJudge(members=members, rule=Rule(config.rule), tie=Tie(config.tie), quorum=config.quorum)
        case NoisyJudgeConfig():
            wrapped: Judge = OracleJudge(contract) if config.judge == "oracle" else RulesJudge()
            rates = {name: ErrorRates(**asdict(one)) for name, one in config.errors.items()}
            return NoisyJudge(judge=wrapped, seed=config.seed, rates=rates, name=config.name)
        case OpenAIJudgeConfig():
            return _openai(config, _key_of(config), processes)
        case RulesJudgeConfig():
            return RulesJudge()
        case _:
            return OracleJudge(contract)


def require_judge(config: JudgeConfig) -> None:
    """Refuse a judge that cannot be asked, or a panel with such a member, before anything is loaded.

    Raises:
        ConfigError: its key or its prompt is not there.
    """
    for place, judge in paid_judges(config).items():
        require_askable(judge, place, prompts="process_events_")


def require_askable(judge: OpenAIJudgeConfig, place: str, *, prompts: str) -> None:
    """Refuse a judge without its key, or with a prompt that is not there.

    Args:
        judge: that is to be asked.
        place: its key as typed.
        prompts: how the names of those begin that it may have.

    Raises:
        ConfigError: one of the two.
    """
    known = [name for name in PROMPTS if name.startswith(prompts)]
    if judge.prompt not in known:
        raise ConfigError(f"{place}.prompt={judge.prompt}: one of {', '.join(known)}")
    variable = judge.api_key_env
    if variable is not None and not os.environ.get(variable, "").strip():
        raise ConfigError(
            f"{place}.api_key_env={variable}: this environment variable is not set; export the key of {judge.url} "
            f"in it, or set {place}.api_key_env=null for a server that takes none"
        )


def with_typed_limits(config: TrainConfig, judge: JudgeConfig, typed: Sequence[str]) -> TrainConfig:
    """A run's own configuration with the limits of its judge that were typed to go on with it.

    Args:
        config: of the run.
        judge: of the command; its limits are for all judges of that name within the run's.
        typed: overrides of the command.

    Raises:
        ConfigError: the run has another judge.
    """
    overrides = OverridesParser.create().parse_overrides(list(typed))
    limits = [name for name in JUDGE_LIMITS if any(one.key_or_group == f"judge.{name}" for one in overrides)]
    if not limits:
        return config
    if judge.name not in [one.name for one in judges_within(config.judge).values()]:
        raise ConfigError(f"judge.{limits[0]}: judge={config.judge.name} is that of the run, which has no such limit")
    values = {name: getattr(judge, name) for name in limits}
    limited = changed_within(config.judge, lambda one: replace(one, **values) if one.name == judge.name else one)
    return replace(config, judge=limited)


def show_judge_plan(composed: DictConfig) -> bool:
    """Say what a training would ask and pay, and whether it was to be said: `judge.dry_run=true`. Nothing is sent.

    Raises:
        ConfigError: the configuration is refused, or does not ask a judge that costs money.
    """
    judges = composed_within(composed.judge)
    if not any(one.dry_run for one in judges if "dry_run" in one):  # a key of one judge among several
        return False
    config = TrainConfig.checked(composed)
    stage, paid = config.stage, paid_judges(config.judge)
    if not isinstance(stage, GRPOConfig) or not paid or config.reward.process is None:
        pays_none = f"stage={stage.name} reward={config.reward.name} judge={config.judge.name} pays no judge"
        raise ConfigError(f"judge.dry_run=true: {pays_none}")
    steps_of_rollout = stage.minibatches * stage.num_iterations
    steps = config.trainer["max_steps"]
    rollouts = ceil(steps / steps_of_rollout)
    sampled = rollouts * stage.prompts_per_step * stage.group_size
    validations = min(rollouts, ceil(steps / stage.validation_every))
    validated = validations * len(load_samples(config.dataset, "validation")[: stage.validation_samples])
    samples = load_samples(config.dataset, stage.split)[:_SAMPLED]
    for place, judge in paid.items():
        plan = _in_words(
            judge, samples, place=place, sampled=sampled, validated=validated, rounds=stage.resample_rounds
        )
        get_console().print(plan, markup=False, highlight=False, soft_wrap=True)
    return True


def _in_words(
    judge: OpenAIJudgeConfig, samples: Sequence[Sample], *, place: str, sampled: int, validated: int, rounds: int
) -> str:  # fmt: skip
    asking = _openai(judge, None, 1)
    targets = [Contract().target(sample) for sample in samples]
    asked = asking.questions(
        Completion(sample, target, FinishReason.STOP, len(target))
        for sample, target in zip(samples, targets, strict=True)
    )
    calls = sampled + validated
    mean_tokens = sum(q.text_bytes for q in asked) / len(asked) / _BYTES_PER_TOKEN + judge.image_tokens
    cost = asking.budget.cost(ceil(calls * mean_tokens), calls * judge.max_tokens) / NANO
    spent = 0.0
    if asking.cache.is_file():
        with opened(asking.cache) as store:
            spent = store.spent / NANO
    again = f"; up to {rounds} times the rollouts' if groups are sampled anew" if rounds else ""
    return (
        f"{place}={judge.name} model={judge.model}: nothing was sent\n"
        f"calls   {calls}: {sampled} of rollouts, {validated} of validations{again}\n"
        f"tokens  {ceil(calls * mean_tokens)} in, at most {calls * judge.max_tokens} out\n"
        f"cost    {cost:.2f} USD if every answer is as long as {place}.max_tokens={judge.max_tokens} allows\n"
        f"cap     {place}.max_cost={judge.max_cost:g} USD, of which {spent:.2f} are spent in {judge.cache}: "
        f"{'enough' if spent + cost <= judge.max_cost else 'NOT enough, the run would stop'}"
    )


def quality_judge_of(config: OpenAIJudgeConfig) -> QualityJudge:
    """The judge of `evaluation_judge=…`.

    Raises:
        ConfigError: its key or its prompt is not there.
    """
    require_askable(config, "evaluation_judge", prompts="quality_")
    judge = _openai(config, _key_of(config), 1)
    asking = replace(judge.asking, schema_version=QUALITY_SCHEMA_VERSION, schema=QUALITY_SCHEMA)
    return QualityJudge(replace(judge, asking=asking))


def _key_of(config: OpenAIJudgeConfig) -> str | None:
    return None if config.api_key_env is None else os.environ[config.api_key_env].strip()


def _openai(config: OpenAIJudgeConfig, key: str | None, processes: int) -> OpenAIJudge:
    rate, price = config.requests_per_minute, config.price
    return OpenAIJudge(
        asking=Asking(
            model=config.model, prompt=Prompt.named(config.prompt), reference=config.reference,
            max_side=config.image_size, temperature=config.temperature, seed=config.seed,
            max_tokens=config.max_tokens, max_tokens_key=config.max_tokens_key,
        ),
        client=Client(
            Endpoint(
                url=config.url, api_key=key, concurrency=config.concurrency,
                spacing=0.0 if rate is None else 60 * processes / rate, timeout=config.timeout_seconds,
                attempts=config.attempts, backoff=config.backoff_seconds, max_wait=config.max_wait_seconds,
                breaker=config.max_failures,
            )
        ),
        budget=Budget(
            input_price=price.input, output_price=price.output, image_tokens=config.image_tokens,
            max_cost=config.max_cost,
        ),
        cache=Path(config.cache).expanduser(),
        is_voiding=config.void_unfound_evidence,
        max_missing_share=config.max_missing_share,
    )  # fmt: skip
