"""From a judge's configuration to the judge, and to what it would ask and cost."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from math import ceil
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.local_chats import local_chat, require_model
from pathvlm_r1.config import (
    JUDGE_LIMITS,
    ConfigError,
    GRPOConfig,
    JudgeConfig,
    LocalJudgeConfig,
    NoisyJudgeConfig,
    OpenAIJudgeConfig,
    PanelJudgeConfig,
    RulesJudgeConfig,
    TrainConfig,
    changed_within,
    composed_within,
    judges_within,
    language_models,
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
    LocalJudge,
    NoisyJudge,
    OpenAIJudge,
    PanelJudge,
    Prompt,
    QualityJudge,
    RulesJudge,
    Tie,
    opened,
)
from pathvlm_r1.tracking import say

_BYTES_PER_TOKEN = 4  # of English text, roughly
_SAMPLED = 32  # questions that an estimate is made from


def judge_of(config: JudgeConfig, contract: Contract, processes: int = 1, repeat: int = 0) -> Judge:
    """The judge of `judge=…`.

    Args:
        config: of the judge.
        contract: under which completions are read.
        processes: that share a limit on requests.
        repeat: how often completions were judged before; a language model's answers of then are not taken again.

    Raises:
        ConfigError: its key, its prompt or its model is not there.
    """
    require_judge(config)
    match config:
        case PanelJudgeConfig():
            members = {name: judge_of(member, contract, processes, repeat) for name, member in config.members.items()}
            return PanelJudge(members=members, rule=Rule(config.rule), tie=Tie(config.tie), quorum=config.quorum)
        case NoisyJudgeConfig():
            wrapped: Judge = OracleJudge(contract) if config.judge == "oracle" else RulesJudge()
            rates = {name: ErrorRates(**asdict(one)) for name, one in config.errors.items()}
            return NoisyJudge(judge=wrapped, seed=config.seed, rates=rates, name=config.name)
        case OpenAIJudgeConfig():
            return _openai(config, _key_of(config), processes, repeat)
        case LocalJudgeConfig():
            return _local(config, repeat)
        case RulesJudgeConfig():
            return RulesJudge()
        case _:
            return OracleJudge(contract)


def require_judge(config: JudgeConfig) -> None:
    """Refuse a judge that cannot be asked, or a panel with such a member, before anything is loaded.

    Raises:
        ConfigError: its key, its prompt or its model is not there, or it was only to be said what it would be asked.
    """
    if is_dry(config):
        raise ConfigError(
            "judge.dry_run=true: this command would ask the judge and pay it; what that costs is said by src/train.py "
            "stage=grpo, and by task=judge_audit and task=rescore of src/eval.py. Leave it out to ask"
        )
    for place, member in language_models(config).items():
        _require_prompt(member, place, prompts="process_events_")
        if isinstance(member, LocalJudgeConfig):
            require_model(place, member)
    for place, judge in paid_judges(config).items():
        _require_key(judge, place)


def _require_prompt(judge: OpenAIJudgeConfig | LocalJudgeConfig, place: str, *, prompts: str) -> None:
    known = [name for name in PROMPTS if name.startswith(prompts)]
    if judge.prompt not in known:
        raise ConfigError(f"{place}.prompt={judge.prompt}: one of {', '.join(known)}")


def _require_key(judge: OpenAIJudgeConfig, place: str) -> None:
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
    rounds = stage.resample_rounds
    again = f"; up to {rounds} times the rollouts' if groups are sampled anew" if rounds else ""
    show_plans(
        paid, [_reference(sample) for sample in load_samples(config.dataset, stage.split)[:_SAMPLED]],
        calls=sampled + validated, of=f"{sampled} of rollouts, {validated} of validations{again}",
    )  # fmt: skip
    return True


def _reference(sample: Sample) -> Completion:
    """What is asked about before anything was sampled."""
    target = Contract().target(sample)
    return Completion(sample, target, FinishReason.STOP, len(target))


def is_dry(judge: JudgeConfig) -> bool:
    """Whether it is to be said what a judge, or a panel's member, would be asked: `judge.dry_run=true`."""
    asked = [judge, *judges_within(judge).values()]
    return any(isinstance(one, OpenAIJudgeConfig | PanelJudgeConfig) and one.dry_run for one in asked)


def show_plan_for(judge: JudgeConfig, completions: Sequence[Completion], *, times: int = 1) -> None:
    """Say what a judge would be asked about completions that are there, each so often. Nothing is sent.

    Raises:
        ConfigError: it costs nothing.
    """
    paid = paid_judges(judge)
    if not paid:
        raise ConfigError(f"judge.dry_run=true: judge={judge.name} costs nothing")
    of = f"{len(completions)} completions" + (f", {times} times" if times > 1 else "")
    show_plans(paid, completions, calls=len(completions) * times, of=of)


def show_plans(
    paid: Mapping[str, OpenAIJudgeConfig], completions: Sequence[Completion], *, calls: int, of: str
) -> None:  # fmt: skip
    """Say what each judge that costs money would be asked and paid at most.

    Args:
        paid: place as typed -> judge.
        completions: such as it would be asked about, for the length of a request.
        calls: requests to each.
        of: what they are about, in words.
    """
    for place, judge in paid.items():
        say(_in_words(judge, completions, place=place, calls=calls, of=of))


def _in_words(judge: OpenAIJudgeConfig, completions: Sequence[Completion], *, place: str, calls: int, of: str) -> str:
    asking = _openai(judge, None, 1, 0)
    asked = asking.asking.questions(completions)
    mean_tokens = sum(q.text_bytes for q in asked) / len(asked) / _BYTES_PER_TOKEN + judge.image_tokens
    cost = asking.budget.cost(ceil(calls * mean_tokens), calls * judge.max_tokens) / NANO
    spent = 0.0
    if asking.cache.is_file():
        with opened(asking.cache) as store:
            spent = store.spent / NANO
    return (
        f"{place}={judge.name} model={judge.model}: nothing was sent\n"
        f"calls   {calls}: {of}\n"
        f"tokens  {ceil(calls * mean_tokens)} in, at most {calls * judge.max_tokens} out\n"
        f"cost    {cost:.2f} USD if every answer is as long as {place}.max_tokens={judge.max_tokens} allows\n"
        f"cap     {place}.max_cost={judge.max_cost:g} USD, of which {spent:.2f} are spent in {judge.cache}: "
        f"{'enough' if spent + cost <= judge.max_cost else 'NOT enough, the run would stop'}"
    )


def _local(config: LocalJudgeConfig, repeat: int) -> LocalJudge:
    return LocalJudge(
        asking=Asking(
            model=config.model, prompt=Prompt.named(config.prompt), reference=config.reference,
            max_side=config.image_size, temperature=0.0, seed=None, max_tokens=config.max_tokens,
            max_tokens_key="max_tokens", judge=config.name, repeat=repeat,
        ),
        load=partial(local_chat, config.model, config.precision, is_constrained=config.constrained),
        rows_per_batch=config.rows_per_batch,
        cache=Path(config.cache).expanduser(),
        is_voiding=config.void_unfound_evidence,
        max_missing_share=config.max_missing_share,
    )  # fmt: skip


def quality_judge_of(config: OpenAIJudgeConfig) -> QualityJudge:
    """The judge of `evaluation_judge=…`.

    Raises:
        ConfigError: its key or its prompt is not there.
    """
    _require_prompt(config, "evaluation_judge", prompts="quality_")
    _require_key(config, "evaluation_judge")
    judge = _openai(config, _key_of(config), 1, 0)
    asking = replace(judge.asking, schema_version=QUALITY_SCHEMA_VERSION, schema=QUALITY_SCHEMA)
    return QualityJudge(replace(judge, asking=asking))


def _key_of(config: OpenAIJudgeConfig) -> str | None:
    return None if config.api_key_env is None else os.environ[config.api_key_env].strip()


def _openai(config: OpenAIJudgeConfig, key: str | None, processes: int, repeat: int) -> OpenAIJudge:
    rate, price = config.requests_per_minute, config.price
    return OpenAIJudge(
        asking=Asking(
            model=config.model, prompt=Prompt.named(config.prompt), reference=config.reference,
            max_side=config.image_size, temperature=config.temperature, seed=config.seed,
            max_tokens=config.max_tokens, max_tokens_key=config.max_tokens_key, repeat=repeat,
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
