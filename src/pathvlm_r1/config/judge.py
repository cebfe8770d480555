"""What the judge of the process term may be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, Literal

from omegaconf import DictConfig

from pathvlm_r1.config.reward import EventsConfig
from pathvlm_r1.config.rules import require, require_positive, require_seed, require_text
from pathvlm_r1.config.typed import Keys

JUDGED_EVENTS = tuple(field.name for field in fields(EventsConfig))  # each of which a judge may be wrong about

LANGUAGE_MODELS = ("openai", "local")  # judges that cost money or time

# Of a judge that is a language model: how it is asked, and not what. They change no verdict, and a run that goes on may
# be given others.
JUDGE_LIMITS = (
    "url", "api_key_env", "image_tokens", "prices", "max_cost", "cache", "max_missing_share", "concurrency",
    "requests_per_minute", "timeout_seconds", "attempts", "backoff_seconds", "max_wait_seconds", "max_failures",
    "dry_run", "rows_per_batch",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OracleJudgeConfig:
    """Who decides the events without asking anyone; the values stand in `conf/judge/oracle.yaml`."""

    name: Literal["oracle", "none"]


@dataclass(frozen=True, kw_only=True)
class RulesJudgeConfig:
    """Who decides the events from the wording alone; the values stand in `conf/judge/rules.yaml`."""

    name: Literal["rules"]


@dataclass(frozen=True, kw_only=True)
class ErrorRatesConfig:
    """How often one event is told wrongly; the values stand in `conf/judge/noisy*.yaml`."""

    false_present: float
    false_absent: float


ErrorRatesByEvent = Annotated[Mapping[str, ErrorRatesConfig], Keys(lambda: JUDGED_EVENTS)]


@dataclass(frozen=True, kw_only=True)
class NoisyJudgeConfig:
    """Another judge that is wrong at stated rates; the values stand in `conf/judge/noisy*.yaml`."""

    name: Literal["noisy", "noisy_10", "noisy_20", "noisy_30", "noisy_40", "noisy_lenient_40"]
    judge: Literal["oracle", "rules"]
    seed: int
    errors: ErrorRatesByEvent

    def require_ranges(self, key: str) -> None:
        """Refuse values out of range; `key` is the place of this judge as typed."""
        require_seed(self.seed, f"{key}.seed")
        for event, rates in self.errors.items():
            for name, rate in asdict(rates).items():
                require(0 <= rate <= 1, f"{key}.errors.{event}.{name}", rate, "from 0 to 1, a probability")


@dataclass(frozen=True, kw_only=True)
class PriceConfig:
    """USD of a million tokens of one model; the values stand in `conf/judge/openai.yaml`."""

    model: str
    input: float
    output: float

    def require_ranges(self, key: str) -> None:
        """Refuse values out of range; `key` is the place of the prices as typed."""
        for name, value in (("input", self.input), ("output", self.output)):
            require(value >= 0, f"{key}.{name}", value, "0 or more, USD per million tokens")


@dataclass(frozen=True, kw_only=True)
class OpenAIJudgeConfig:
    """A language model behind an OpenAI-compatible endpoint; the values stand in `conf/judge/openai.yaml`."""

    name: Literal["openai"]
    url: str
    model: str
    api_key_env: str | None
    prompt: str
    reference: Literal["hidden", "shown", "context"]
    void_unfound_evidence: bool
    image_size: int
    image_tokens: int
    temperature: float | None
    seed: int | None
    max_tokens: int
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"]
    prices: tuple[PriceConfig, ...]
    max_cost: float
    cache: str
    max_missing_share: float
    concurrency: int
    requests_per_minute: float | None
    timeout_seconds: float
    attempts: int
    backoff_seconds: float
    max_wait_seconds: float
    max_failures: int
    dry_run: bool

    def require_ranges(self, key: str) -> None:
        """Refuse values out of range; `key` is the place of this judge as typed."""
        for price in self.prices:
            price.require_ranges(f"{key}.prices")
        is_http = self.url.startswith(("http://", "https://"))
        require(is_http, f"{key}.url", self.url, "an address that begins with http:// or https://")
        for name in ("model", "prompt", "cache"):
            require_text(getattr(self, name), f"{key}.{name}")
        variable = self.api_key_env
        is_name = variable is None or variable.isidentifier()
        require(
            is_name, f"{key}.api_key_env", "…", "the name of an environment variable, or null; never the key itself"
        )
        require(self.image_size >= 28, f"{key}.image_size", self.image_size, "at least 28 pixels a side")
        require(self.image_tokens >= 0, f"{key}.image_tokens", self.image_tokens, "0 or more")
        heat, rule = self.temperature, "0 or more: 0 is greedy; null leaves it to the server"
        require(heat is None or heat >= 0, f"{key}.temperature", heat, rule)
        require(self.seed is None or self.seed >= 0, f"{key}.seed", self.seed, "0 or more, or null: none is sent")
        for name in ("max_tokens", "concurrency", "attempts", "max_failures", "timeout_seconds", "max_wait_seconds"):
            require_positive(getattr(self, name), f"{key}.{name}")
        require(self.backoff_seconds >= 0, f"{key}.backoff_seconds", self.backoff_seconds, "0 or more")
        rate = self.requests_per_minute
        require(rate is None or rate > 0, f"{key}.requests_per_minute", rate, "above 0, or null: no limit")
        priced = [price.model for price in self.prices]
        rule = f"needs one price: {key}.prices='[{{model: {self.model}, input: 2.5, output: 10.0}}]'"
        require(priced.count(self.model) == 1, f"{key}.model", self.model, rule)
        require(self.max_cost >= 0, f"{key}.max_cost", self.max_cost, "0 or more, USD")
        share = self.max_missing_share
        require(0 <= share <= 1, f"{key}.max_missing_share", share, "from 0 to 1: at 1 nothing ends a run")

    @property
    def price(self) -> PriceConfig:
        """Of the model that is asked."""
        return next(price for price in self.prices if price.model == self.model)


@dataclass(frozen=True, kw_only=True)
class LocalJudgeConfig:
    """A vision-language model in this process; the values stand in `conf/judge/local.yaml`."""

    name: Literal["local"]
    model: str
    prompt: str
    reference: Literal["hidden", "shown", "context"]
    void_unfound_evidence: bool
    image_size: int
    max_tokens: int
    constrained: bool
    precision: Literal["bfloat16", "float16", "float32"]
    rows_per_batch: int
    cache: str
    max_missing_share: float

    def require_ranges(self, key: str) -> None:
        """Refuse values out of range; `key` is the place of this judge as typed."""
        for name in ("model", "prompt", "cache"):
            require_text(getattr(self, name), f"{key}.{name}")
        require(self.image_size >= 28, f"{key}.image_size", self.image_size, "at least 28 pixels a side")
        require_positive(self.max_tokens, f"{key}.max_tokens")
        require_positive(self.rows_per_batch, f"{key}.rows_per_batch")
        share = self.max_missing_share
        require(0 <= share <= 1, f"{key}.max_missing_share", share, "from 0 to 1: at 1 nothing ends a run")


MemberConfig = OracleJudgeConfig | RulesJudgeConfig | NoisyJudgeConfig | OpenAIJudgeConfig | LocalJudgeConfig


@dataclass(frozen=True, kw_only=True)
class PanelJudgeConfig:
    """Several judges together; the values stand in `conf/judge/panel.yaml`."""

    name: Literal["panel"]
    rule: Literal["majority", "mean"]
    tie: Literal["strict", "lenient"]
    quorum: int
    members: Mapping[str, MemberConfig]
    dry_run: bool

    def __post_init__(self) -> None:
        names = list(self.members)
        rule = "at least 2 judges: a panel of one is that judge; add one with +judge@judge.members.NAME=CHOICE"
        require(len(names) >= 2, "judge.members", names, rule)
        require(1 <= self.quorum <= len(names), "judge.quorum", self.quorum, f"from 1 to the {len(names)} members")


JudgeConfig = MemberConfig | PanelJudgeConfig


def judges_within(judge: JudgeConfig) -> dict[str, MemberConfig]:
    """Place as typed -> judge: a panel's members, or the judge itself."""
    if isinstance(judge, PanelJudgeConfig):
        return {f"judge.members.{name}": member for name, member in judge.members.items()}
    return {"judge": judge}


def composed_within(judge: DictConfig) -> list[DictConfig]:
    """The same of what Hydra composed, before anything is checked: a panel and its members, or the judge itself."""
    return [judge, *(judge.members.values() if "members" in judge else ())]


def paid_judges(judge: JudgeConfig) -> dict[str, OpenAIJudgeConfig]:
    """Those of `judges_within` that may cost money."""
    return {key: one for key, one in judges_within(judge).items() if isinstance(one, OpenAIJudgeConfig)}


def language_models(judge: JudgeConfig) -> dict[str, OpenAIJudgeConfig | LocalJudgeConfig]:
    """Those of `judges_within` that are a language model, which costs money or time."""
    models = OpenAIJudgeConfig | LocalJudgeConfig
    return {key: one for key, one in judges_within(judge).items() if isinstance(one, models)}


def deciders(judge: JudgeConfig) -> dict[str, str]:
    """Key as typed -> the name of the judge that decides there: of a noisy one, whose verdicts it garbles."""
    found = {}
    for key, one in judges_within(judge).items():
        if isinstance(one, NoisyJudgeConfig):
            found[f"{key}.judge"] = str(one.judge)
        else:
            found[key] = str(one.name)
    return found


def require_judge_ranges(judge: JudgeConfig) -> None:
    """Refuse values out of range, of a judge or of a panel's members.

    Raises:
        ConfigError: the first such value.
    """
    for key, one in judges_within(judge).items():
        if isinstance(one, NoisyJudgeConfig | OpenAIJudgeConfig | LocalJudgeConfig):
            one.require_ranges(key)


def changed_within(judge: JudgeConfig, change: Callable[[MemberConfig], MemberConfig]) -> JudgeConfig:
    """The judge, or the panel of members, after a change of each."""
    if isinstance(judge, PanelJudgeConfig):
        return replace(judge, members={name: change(member) for name, member in judge.members.items()})
    return change(judge)


def decisive(judge: JudgeConfig) -> dict[str, Any]:
    """Everything that a verdict depends on: without limits, of members likewise."""
    kept = {key: value for key, value in asdict(judge).items() if key not in JUDGE_LIMITS}
    if isinstance(judge, PanelJudgeConfig):
        kept["members"] = {name: decisive(member) for name, member in judge.members.items()}
    return kept
