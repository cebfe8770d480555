"""The error of every configuration, and the rules on values: each message names the key as the user types it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose


class ConfigError(ValueError):
    """A configuration that cannot be used as it is; the message names the key as the user types it."""


def require(condition: bool, key: str, value: object, rule: str) -> None:  # noqa: FBT001  reads as a sentence
    """Refuse the value of a key.

    Raises:
        ConfigError: the condition does not hold; `rule` says what would be valid.
    """
    if not condition:
        raise ConfigError(f"{key}={as_typed(value)}: {rule}")


def raise_any(kind: str, messages: list[str]) -> None:
    """Raise the faults of one kind, if there are any, as one error.

    Raises:
        ConfigError: the only message, or their number and one a line.
    """
    if len(messages) == 1:
        raise ConfigError(messages[0])
    if messages:
        raise ConfigError("\n  ".join([f"{len(messages)} keys {kind}:", *messages]))


def as_typed(value: object) -> str:
    """A value as the user types it after the key's `=`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_typed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_typed, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) or "''"


def require_positive(value: float, key: str) -> None:
    """Refuse a number that is not above 0, or a count that is not at least 1."""
    require(value > 0, key, value, "at least 1" if isinstance(value, int) else "above 0")


def require_text(value: str, key: str) -> None:
    """Refuse an empty text."""
    require(bool(value.strip()), key, value, "must not be empty")


def require_text_if_any(value: str | None, key: str) -> None:
    """Refuse an empty text where there is one."""
    if value is not None:
        require_text(value, key)


def require_seed(value: int, key: str) -> None:
    """Refuse a seed below 0."""
    require(value >= 0, key, value, "0 or more, a seed")


def require_weight(value: float, key: str) -> None:
    """Refuse the weight of a reward term below 0."""
    require(value >= 0, key, value, "0 or more: a negative weight would reward the opposite")


def require_shares(shares: Mapping[str, float], key: str) -> None:
    """Refuse shares that are negative or do not sum to 1."""
    require(min(shares.values()) >= 0, key, shares, "every share is 0 or more")
    total = sum(shares.values())
    require(isclose(total, 1, abs_tol=1e-9), key, shares, f"shares sum to 1, these to {total:g}")
