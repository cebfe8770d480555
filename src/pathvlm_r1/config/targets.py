"""What stands under `_target_`: it is found, and takes the settings beside it, before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import Parameter, isclass, signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pathvlm_r1.config.rules import ConfigError, raise_any
from pathvlm_r1.config.typed import no_value, type_fault, unknown_key

_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def found_target(target: object, key: str) -> Callable[..., Any]:
    """The function or class of a path, `module.name`.

    Raises:
        ConfigError: it cannot be imported, with the cause, or cannot be called.
    """
    module, dot, name = str(target).rpartition(".")
    try:
        found: object = getattr(import_module(module), name) if dot else None
    except Exception as error:  # of the user's own module, whatever it is
        raise ConfigError(
            f"{key}={target}: cannot be imported ({type(error).__name__}: {error}); give module.name, and put the "
            "folder of your module on PYTHONPATH"
        ) from error
    if not callable(found):
        raise ConfigError(f"{key}={target}: neither a function nor a class; give one as module.name")
    return found


def require_call(settings: Mapping[str, Any], key: str, *, given: int) -> None:
    """Refuse a target that its settings do not fit.

    Args:
        settings: `_target_` and what it is to be called with.
        key: where they stand.
        given: parameters of a function that the code supplies; a class gets none of them before it is called.

    Raises:
        ConfigError: the target is not found, takes too few arguments, or not these.
    """
    target = found_target(settings.get("_target_"), f"{key}._target_")
    parameters = list(signature(target).parameters.values())
    supplied = 0 if isclass(target) else given
    places = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    takes_any = any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters)
    if len(places) < supplied and not takes_any:
        raise ConfigError(
            f"{key}._target_={settings['_target_']}: takes no completion; a term is "
            "def name(completion: Completion, ...) -> Score"
        )
    arguments = {name: value for name, value in settings.items() if name != "_target_"}
    own = [parameter for parameter in parameters if parameter not in places[:supplied]]
    require_arguments(target, own, arguments, key)


def require_arguments(
    target: Callable[..., Any], parameters: Sequence[Parameter], arguments: Mapping[str, Any], key: str
) -> None:
    """Hold arguments against the parameters that take them: none unknown, none absent, scalars of their type."""
    named = {parameter.name: parameter for parameter in parameters if parameter.kind in _BY_NAME}
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)
    unknown = [unknown_key(name, key, list(named)) for name in arguments if name not in named and not takes_any]
    raise_any("that nothing reads", unknown)
    needed = [name for name, parameter in named.items() if parameter.default is Parameter.empty]
    raise_any("without a value", [no_value(f"{key}.{name}") for name in needed if name not in arguments])
    types = _types(target)
    faults = [type_fault(types[name], value, f"{key}.{name}") for name, value in arguments.items() if name in types]
    raise_any("of a wrong type", [fault for fault in faults if fault])


def _types(target: Callable[..., Any]) -> dict[str, Any]:
    """The scalar types of parameters by name; what else they are annotated with is theirs to check."""
    try:
        hints = get_type_hints(target.__init__ if isclass(target) else target)
    except (NameError, TypeError):  # names that a type checker alone can see
        return {}
    return {name: hint for name, hint in hints.items() if _is_scalar(hint)}


def _is_scalar(hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return all(_is_scalar(member) for member in get_args(hint))
    return hint in (bool, int, float, str, NoneType) or get_origin(hint) is Literal
