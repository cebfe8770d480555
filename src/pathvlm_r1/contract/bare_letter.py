"""The bare letter of a completion, for harnesses whose own rules find nothing within think and answer tags."""

from __future__ import annotations

from collections.abc import Sequence

from pathvlm_r1.contract.think_answer import Contract
from pathvlm_r1.data import LETTERS

_UNKNOWN = ("\0",) * len(LETTERS)  # texts that nobody writes


def bare_letter(text: str, options: Sequence[str] = _UNKNOWN) -> str | None:
    """The letter that `think_answer_v1` reads in a text, None where it reads none.

    Without the options a letter counts only by itself: "E. coli" may be a letter with its text, or a text alone.

    Args:
        text: a completion as sampled.
        options: their texts, in the order of their letters, where they are known.
    """
    return Contract().parse(text, options).answer
