"""What an objective file may say: public functions, and exactly the settings that they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Literal

from hydra.utils import get_method

from pathvlm_r1.config.rules import ConfigError, require, require_text
from pathvlm_r1.config.targets import require_arguments

PARTS = ("advantage", "ratio", "surrogate", "average", "kl")


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """The parts of an objective for `hydra.utils.instantiate`; the values stand in `conf/objective/`."""

    name: str
    total: Literal["summed", "decoupled"]
    advantage: Mapping[str, Any]
    ratio: Mapping[str, Any]
    surrogate: Mapping[str, Any]
    average: Mapping[str, Any]
    kl: Mapping[str, Any]

    def __post_init__(self) -> None:
        require_text(self.name, "objective.name")
        for part in PARTS:
            _require_settings(getattr(self, part), f"objective.{part}")


def _require_settings(part: Mapping[str, Any], key: str) -> None:
    """Hold the settings of a function against its keyword-only parameters, before a rollout is paid for."""
    function = _function(part, f"{key}._target_")
    require(part.get("_partial_") is True, f"{key}._partial_", part.get("_partial_"), "true: the step gives tensors")
    settings = {name: value for name, value in part.items() if name not in ("_target_", "_partial_")}
    parameters = signature(function).parameters.values()
    taken = [parameter for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
    require_arguments(function, taken, settings, key)


def _function(part: Mapping[str, Any], key: str) -> Callable[..., Any]:
    target = part.get("_target_")
    try:
        function: Callable[..., Any] = get_method(str(target))
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{key}={target}: the path of a function, as in pathvlm_r1.grpo.clipped") from error
    return function
