"""From a composed configuration to frozen dataclasses: keys that are unknown, absent or of a wrong type end here.

A field is a key, its annotation the type of the value. A union of dataclasses is a choice, made by the field that is a
`Literal` in all of them; a dataclass, a mapping or a list, or None, is a key that may be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pathvlm_r1.config.rules import ConfigError, as_typed, raise_any

Schema = TypeVar("Schema")

_WORDS = {
    bool: "true or false (bool)",
    int: "a whole number (int)",
    float: "a finite number (float)",
    str: "text (str)",
    NoneType: "null",
}


@dataclass(frozen=True)
class Keys:
    """The keys of a mapping, asked for when they are needed: `Annotated[Mapping[str, float], Keys(...)]`."""

    names: Callable[[], Iterable[str]]
    are_required: bool = True


def checked(schema: type[Schema], composed: DictConfig) -> Schema:
    """The dataclass of a composed configuration, with every interpolation resolved.

    Raises:
        ConfigError: all values that are still ???; else an interpolation that leads nowhere; else all unknown keys;
            else all absent ones; else all values of a wrong type; else the first value out of its range.
    """
    raise_any("without a value", _missing(OmegaConf.to_container(composed, resolve=False), ""))
    try:
        values = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    return checked_part(schema, values, "")


def without(composed: DictConfig, *unread: str) -> DictConfig:
    """A configuration less the keys that its schema does not have."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key not in unread])


def resolved_without(composed: DictConfig, *unread: str) -> DictConfig:
    """The same with every value in its place first: a reward may take its limit of tokens from the model."""
    resolved = composed.copy()
    OmegaConf.resolve(resolved)
    return without(resolved, *unread)


def checked_part(schema: type[Schema], values: object, key: str) -> Schema:
    """The dataclass of plain values, which stand below a key.

    Raises:
        ConfigError: as `checked` has it.
    """
    faults = _Faults()
    _inspect(schema, values, key, faults)
    raise_any("that nothing reads", faults.unknown)
    raise_any("without a value", faults.absent)
    raise_any("of a wrong type", faults.mistyped)
    built: Schema = _build(schema, values)
    return built


def has_key(schema: Any, key: str) -> bool:
    """Whether a dataclass has a key, that of a group in a group included, be it left out or not."""
    name, _, rest = key.partition(".")
    groups = [member for member in _members(schema) if _is_group(member)]
    hints = [_hints(group)[name] for group in groups if name in _hints(group)]
    return bool(hints) and (not rest or any(has_key(hint, rest) for hint in hints))


def unknown_key(key: str, group: str, valid: list[str]) -> str:
    """The message on a key that a group does not have, with the nearest one that it has."""
    close = get_close_matches(key, valid, n=1)
    hint = f"; did you mean {_join(group, close[0])}?" if close else "."
    return f"{_join(group, key)} is not a key{hint} Keys of {group or 'the top level'}: {', '.join(valid) or 'none'}"


def type_fault(annotation: Any, value: object, key: str) -> str | None:
    """The message on a value that is not of its scalar type, one of a `Literal` or a null that may be; else None."""
    member = _member(annotation, value)
    if member is not annotation:
        message = None if member is NoneType else type_fault(member, value, key)
        return None if message is None else _or_null(annotation, message)
    options = get_args(annotation) if get_origin(annotation) is Literal else ()
    if options and not any(value == option and type(value) is type(option) for option in options):
        return f"{key}={as_typed(value)}: one of {', '.join(map(as_typed, options))}"
    if options or _is_scalar(annotation, value):
        return None
    return _wrong(key, value, _WORDS[annotation])


@dataclass(frozen=True)
class _Faults:
    unknown: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    mistyped: list[str] = field(default_factory=list)


def _missing(values: object, key: str) -> list[str]:
    if isinstance(values, dict):
        return [message for name, value in values.items() for message in _missing(value, _join(key, str(name)))]
    return [no_value(key)] if values == MISSING else []


def _inspect(annotation: Any, value: object, key: str, faults: _Faults) -> None:
    member = _member(annotation, value)
    if member is None:
        faults.mistyped.append(_choice_fault(annotation, value, key))
    elif _is_group(member) or get_origin(member) in (Annotated, Mapping):
        _inspect_keys(member, value, key, faults)
    elif get_origin(member) is tuple:
        _inspect_items(member, value, key, faults)
    elif member is not Any and (message := type_fault(member, value, key)):
        faults.mistyped.append(_or_null(annotation, message))


def _inspect_keys(member: Any, value: object, key: str, faults: _Faults) -> None:
    if not isinstance(value, Mapping):
        faults.mistyped.append(_wrong(key, value, "a group of keys"))
        return
    names, required, annotation_of = _keys(member, value)
    faults.unknown.extend(unknown_key(str(name), key, names) for name in value if name not in names)
    faults.absent.extend(no_value(_join(key, name)) for name in required if name not in value)
    for name in names:
        if name in value:
            _inspect(annotation_of[name], value[name], _join(key, name), faults)


def _inspect_items(member: Any, value: object, key: str, faults: _Faults) -> None:
    if not isinstance(value, list):
        faults.mistyped.append(_wrong(key, value, f"a list, {key}='[…,…]'"))
        return
    for index, item in enumerate(value):
        _inspect(get_args(member)[0], item, f"{key}[{index}]", faults)


def _keys(member: Any, value: Mapping[Any, object]) -> tuple[list[str], list[str], Mapping[str, Any]]:
    """The keys of a group or mapping, those that it must have, and the type of each."""
    if _is_group(member):
        hints = _hints(member)
        return list(hints), [name for name, hint in hints.items() if not _may_be_left_out(hint)], hints
    mapping, *limits = get_args(member) if get_origin(member) is Annotated else (member,)
    names = [str(name) for limit in limits for name in limit.names()] or list(value)
    required = [name for limit in limits if limit.are_required for name in limit.names()]
    return names, required, dict.fromkeys(names, get_args(mapping)[1])


def _build(annotation: Any, value: Any) -> Any:
    """The value in its type; `_inspect` has found no fault in it."""
    member = _member(annotation, value)
    if _is_group(member):
        return member(**{name: _build(hint, value.get(name)) for name, hint in _hints(member).items()})
    if get_origin(member) in (Annotated, Mapping):
        _, _, annotation_of = _keys(member, value)
        return {name: _build(annotation_of[name], item) for name, item in value.items()}
    if get_origin(member) is tuple:
        return tuple(_build(get_args(member)[0], item) for item in value)
    return float(value) if member is float else value


def _member(annotation: Any, value: object) -> Any:
    """The member of a union that a value is for, None where there is none; any other annotation as it is."""
    members = _members(annotation)
    if value is None and NoneType in members:
        return NoneType
    members = [member for member in members if member is not NoneType]
    if len(members) == 1:
        return members[0]
    name = value.get(_choosing_field(members)) if isinstance(value, Mapping) else None
    return next((member for member in members if name in _names(member, _choosing_field(members))), None)


def _choice_fault(annotation: Any, value: object, key: str) -> str:
    members = [member for member in _members(annotation) if member is not NoneType]
    chooser = _choosing_field(members)
    valid = ", ".join(name for member in members for name in _names(member, chooser))
    if not isinstance(value, Mapping):
        return _wrong(key, value, f"a group of keys whose {chooser} is one of {valid}")
    return f"{_join(key, chooser)}={as_typed(value.get(chooser))}: one of {valid}"


def _choosing_field(members: list[Any]) -> str:
    return next(name for name in _hints(members[0]) if all(_names(member, name) for member in members))


def _names(member: Any, name: str) -> tuple[Any, ...]:
    hint = _hints(member).get(name)
    return get_args(hint) if get_origin(hint) is Literal else ()


def _members(annotation: Any) -> list[Any]:
    return list(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else [annotation]


def _may_be_left_out(annotation: Any) -> bool:
    members = _members(annotation)
    composite = [_is_group(member) or get_origin(member) in (Annotated, Mapping, tuple) for member in members]
    return NoneType in members and any(composite)


def _or_null(annotation: Any, message: str) -> str:
    return message.replace(", got", " or null, got") if NoneType in _members(annotation) else message


def _is_scalar(annotation: Any, value: object) -> bool:
    if annotation is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    return type(value) is annotation  # exact: True is no int


@cache
def _hints(group: type) -> dict[str, Any]:
    hints = get_type_hints(group, include_extras=True)
    return {item.name: hints[item.name] for item in fields(group)}


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _wrong(key: str, value: object, expected: str) -> str:
    return f"{key}={as_typed(value)}: expected {expected}, got {type(value).__name__}"


def no_value(key: str) -> str:
    """The message on a key that was given no value."""
    return f"{key} has no value: give it one, {key}=…"


def _join(group: str, key: str) -> str:
    return f"{group}.{key}" if group else key
