"""What the judge of the process term may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pathvlm_r1.config.rules import require, require_positive, require_text

# Of a judge that is asked over a network: how it is asked, and not what. They change no verdict, and a run that goes on
# may be given others.
JUDGE_LIMITS = (
    "url", "api_key_env", "image_tokens", "prices", "max_cost", "cache", "max_missing_share", "concurrency",
    "requests_per_minute", "timeout_seconds", "attempts", "backoff_seconds", "max_wait_seconds", "max_failures",
    "dry_run",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OracleJudgeConfig:
    """Who decides the events without asking anyone; the values stand in `conf/judge/oracle.yaml`."""

    name: Literal["oracle", "none"]


@dataclass(frozen=True, kw_only=True)
class PriceConfig:
    """USD of a million tokens of one model; the values stand in `conf/judge/openai.yaml`."""

    model: str
    input: float
    output: float

    def __post_init__(self) -> None:
        for name, value in (("input", self.input), ("output", self.output)):
            require(value >= 0, f"judge.prices.{name}", value, "0 or more, USD per million tokens")


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

    def __post_init__(self) -> None:
        is_http = self.url.startswith(("http://", "https://"))
        require(is_http, "judge.url", self.url, "an address that begins with http:// or https://")
        for key in ("model", "prompt", "cache"):
            require_text(getattr(self, key), f"judge.{key}")
        variable = self.api_key_env
        is_name = variable is None or variable.isidentifier()
        require(is_name, "judge.api_key_env", "…", "the name of an environment variable, or null; never the key itself")
        require(self.image_size >= 28, "judge.image_size", self.image_size, "at least 28 pixels a side")
        require(self.image_tokens >= 0, "judge.image_tokens", self.image_tokens, "0 or more")
        heat, rule = self.temperature, "0 or more: 0 is greedy; null leaves it to the server"
        require(heat is None or heat >= 0, "judge.temperature", heat, rule)
        require(self.seed is None or self.seed >= 0, "judge.seed", self.seed, "0 or more, or null: none is sent")
        for key in ("max_tokens", "concurrency", "attempts", "max_failures", "timeout_seconds", "max_wait_seconds"):
            require_positive(getattr(self, key), f"judge.{key}")
        require(self.backoff_seconds >= 0, "judge.backoff_seconds", self.backoff_seconds, "0 or more")
        rate = self.requests_per_minute
        require(rate is None or rate > 0, "judge.requests_per_minute", rate, "above 0, or null: no limit")
        priced = [price.model for price in self.prices]
        rule = f"needs one price: judge.prices='[{{model: {self.model}, input: 2.5, output: 10.0}}]'"
        require(priced.count(self.model) == 1, "judge.model", self.model, rule)
        require(self.max_cost >= 0, "judge.max_cost", self.max_cost, "0 or more, USD")
        share = self.max_missing_share
        require(0 <= share <= 1, "judge.max_missing_share", share, "from 0 to 1: at 1 nothing ends a run")

    @property
    def price(self) -> PriceConfig:
        """Of the model that is asked."""
        return next(price for price in self.prices if price.model == self.model)


JudgeConfig = OracleJudgeConfig | OpenAIJudgeConfig
