"""What the reward and its terms may be asked; the values stand in `conf/reward/*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from pathvlm_r1.config.rules import ConfigError, require, require_positive, require_text
from pathvlm_r1.config.targets import require_call
from pathvlm_r1.config.term import TermConfig, require_term
from pathvlm_r1.config.typed import checked_part

_TOTAL = "total"  # the name of the sum in tables and metrics
_AROUND = [field.name for field in fields(TermConfig)]


@dataclass(frozen=True, kw_only=True)
class AccuracyConfig(TermConfig):
    """The term for the right answer."""

    letter_and_text: bool


@dataclass(frozen=True, kw_only=True)
class FormatConfig(TermConfig):
    """The term for tags in order."""


@dataclass(frozen=True, kw_only=True)
class EventsConfig:
    """The weights of the rubric's events, 0 for one that does not count."""

    image_feature_analysis: float
    option_elimination: float
    medical_knowledge_support: float
    definition_error: float
    logical_contradiction: float
    incorrect_criterion: float

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            require(weight >= 0, f"reward.process.events.{name}", weight, "0 or more: 0 does not count the event")
        require(any(vars(self).values()), "reward.process.events", vars(self), "at least one event needs a weight")


@dataclass(frozen=True, kw_only=True)
class ProcessConfig(TermConfig):
    """The term for the reasoning, which a judge reads."""

    coefficient: float
    events: EventsConfig | None  # None: 1 each

    def __post_init__(self) -> None:
        require(
            0 < self.coefficient <= 1,
            "reward.process.coefficient",
            self.coefficient,
            "above 0 and at most 1: what one missing step or one error costs",
        )


@dataclass(frozen=True, kw_only=True)
class TextSimilarityConfig(TermConfig):
    """The term for the text of the answer to an open question."""


@dataclass(frozen=True, kw_only=True)
class AlignmentConfig(TermConfig):
    """The term for findings that fit the picture."""

    encoder: Mapping[str, Any]

    def __post_init__(self) -> None:
        require_call(self.encoder, "reward.image_text_alignment.encoder", given=0)


@dataclass(frozen=True, kw_only=True)
class ConsistencyConfig(TermConfig):
    """The term for an answer that the reasoning concludes."""


@dataclass(frozen=True, kw_only=True)
class LengthConfig(TermConfig):
    """The penalty on a length outside a band."""

    min_tokens: int
    max_tokens: int
    falloff_tokens: int

    def __post_init__(self) -> None:
        rule = f"0 or more and at most reward.length.max_tokens={self.max_tokens}"
        require(0 <= self.min_tokens <= self.max_tokens, "reward.length.min_tokens", self.min_tokens, rule)
        require_positive(self.falloff_tokens, "reward.length.falloff_tokens")


@dataclass(frozen=True, kw_only=True)
class OverlongConfig(TermConfig):
    """The penalty on a length near the limit."""

    max_tokens: int
    buffer_tokens: int

    def __post_init__(self) -> None:
        require(
            0 < self.buffer_tokens <= self.max_tokens,
            "reward.overlong.buffer_tokens",
            self.buffer_tokens,
            f"above 0 and at most reward.overlong.max_tokens={self.max_tokens}",
        )


@dataclass(frozen=True, kw_only=True)
class RepetitionConfig(TermConfig):
    """The penalty on words that stood before."""

    ngram_size: int

    def __post_init__(self) -> None:
        require_positive(self.ngram_size, "reward.repetition.ngram_size")


@dataclass(frozen=True)
class OwnTermConfig:
    """A user's own term: what is called, with which settings, and what stands around it."""

    target: str
    settings: Mapping[str, Any]
    around: TermConfig


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """The terms of the reward, None for one that is left out, and the user's own by their names."""

    name: str
    accuracy: AccuracyConfig | None
    format: FormatConfig | None
    process: ProcessConfig | None
    text_similarity: TextSimilarityConfig | None
    image_text_alignment: AlignmentConfig | None
    consistency: ConsistencyConfig | None
    length: LengthConfig | None
    overlong: OverlongConfig | None
    repetition: RepetitionConfig | None
    terms: Mapping[str, Mapping[str, Any]] | None
    missing: Literal["group_mean", "drop_term", "stop", "paper"]

    def __post_init__(self) -> None:
        require_text(self.name, "reward.name")
        for name in self.terms or {}:
            rule = f"a name of your own: not {_TOTAL}, not that of a key of reward"
            require(name not in [_TOTAL, *vars(self)], "reward.terms", name, rule)
        around = self.around
        for name, term in around.items():
            key = f"reward.terms.{name}" if name in (self.terms or {}) else f"reward.{name}"
            require_term(term, key, [other for other in around if other != name])
        require(any(self.weights.values()), "reward.*.weight", self.weights, "at least one term needs a weight above 0")
        partial = [name for name in ("text_similarity", "consistency") if name in around]
        rule = f"group_mean or drop_term: {' and '.join(partial)} does not apply to every completion"
        require(not partial or self.missing in ("group_mean", "drop_term"), "reward.missing", self.missing, rule)

    @property
    def own(self) -> dict[str, OwnTermConfig]:
        """The user's own terms, by name."""
        return {name: _own_term(values, f"reward.terms.{name}") for name, values in (self.terms or {}).items()}

    @property
    def around(self) -> dict[str, TermConfig]:
        """Of the terms that are not left out, by name: weight and what stands around."""
        shipped = {name: term for name, term in vars(self).items() if isinstance(term, TermConfig)}
        return {**shipped, **{name: term.around for name, term in self.own.items()}}

    @property
    def weights(self) -> dict[str, float]:
        """Of the terms that are not left out, by name."""
        return {name: term.weight for name, term in self.around.items()}


def _own_term(values: Mapping[str, Any], key: str) -> OwnTermConfig:
    """A term of the user's own, held against the signature of its target.

    Raises:
        ConfigError: it has no target, or one that its settings do not fit.
    """
    if "_target_" not in values:
        raise ConfigError(f"{key}._target_ has no value: give it one, {key}._target_=my_module.my_term")
    around = {name: value for name, value in values.items() if name in _AROUND}
    settings = {name: value for name, value in values.items() if name not in [*_AROUND, "_target_"]}
    require_call({"_target_": values["_target_"], **settings}, key, given=1)
    return OwnTermConfig(str(values["_target_"]), settings, checked_part(TermConfig, around, key))
