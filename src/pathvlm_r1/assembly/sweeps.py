"""What tells the runs of one sweep apart."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override


def what_differs(arguments: Sequence[str], typed: Sequence[str]) -> str:
    """The overrides of one run whose keys have several values in its sweep; what all its runs share is left out.

    Args:
        arguments: the command's, with the overrides of the sweep among its options.
        typed: the overrides of this run.
    """
    parser = OverridesParser.create()
    sweep = parser.parse_overrides([text for text in arguments if "=" in text and not text.startswith("-")])
    varied = {override.get_key_element() for override in sweep if _has_several_values(override)}
    own = parser.parse_overrides(list(typed))
    return ",".join(str(override.input_line) for override in own if override.get_key_element() in varied)


def _has_several_values(override: Override) -> bool:
    value = override.value()
    return bool(override.is_sweep_override()) and not (isinstance(value, ChoiceSweep) and len(value.list) == 1)
