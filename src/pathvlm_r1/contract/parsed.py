"""What a parser finds in a completion."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SCORED_CHARACTERS = 64_000  # a longer text is not scored: its answer is None


@dataclass(frozen=True)
class Parsed:
    """What a completion answers, and whether it kept the form that it was asked for."""

    answer: str | None  # an option letter; None when there is none, or more than one
    states_text: bool  # the answer block holds the letter together with that option's text
    is_formatted: bool  # the form that was asked for; of think_answer_v1 the four tags, once each, in order, alone
    is_guessed: bool = False  # nothing was found, and the harness's own fallback chose; never by default


UNREAD = Parsed(answer=None, states_text=False, is_formatted=False)
