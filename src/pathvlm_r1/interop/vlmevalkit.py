"""VLMEvalKit: any of its models, handing over the bare letter, as its matcher finds nothing within answer tags.

Its entry of `vlmeval/config.py` stands in the README. Nothing of vlmeval is imported here: the model's class is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pathvlm_r1.contract import bare_letter
from pathvlm_r1.data import LETTERS

_OPTIONS = re.compile(r"^Options:\n((?:[A-Z]\. .*\n?)+)", re.MULTILINE)
_OPTION = re.compile(r"^([A-Z])\. (.*)$", re.MULTILINE)


def with_bare_letters(model: type[Any]) -> type[Any]:
    """A class like `model`, whose answers are letters where our contract reads one, and else what the model wrote.

    Args:
        model: a class of `vlmeval.vlm`, such as `Qwen2VLChat`.
    """

    class BareLetters(model):  # type: ignore[misc]  # it is known at run time alone
        def generate_inner(self, message: Sequence[Mapping[str, str]], dataset: str | None = None) -> str:
            written: str = super().generate_inner(message, dataset=dataset)
            return handed_over(written, "".join(part["value"] for part in message if part["type"] == "text"))

    return BareLetters


def handed_over(written: str, prompt: str) -> str:
    """What a harness is given for a completion: its letter, or the text as it stands where there is none.

    Args:
        written: the completion.
        prompt: in VLMEvalKit's form; the options that it shows tell an option's text from a letter.
    """
    options = shown_options(prompt)
    letter = bare_letter(written) if options is None else bare_letter(written, options)
    return written if letter is None else letter


def shown_options(prompt: str) -> list[str] | None:
    """The options' texts, None where a prompt shows none, or not two or more of ours in their order."""
    block = _OPTIONS.search(prompt)
    found = _OPTION.findall(block[1]) if block else []
    is_ours = 2 <= len(found) <= len(LETTERS) and "".join(letter for letter, _ in found) == LETTERS[: len(found)]
    return [text for _, text in found] if is_ours else None
