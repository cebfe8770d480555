"""Terms and encoders as a user might write them, right and wrong, for configurations that name them."""

from __future__ import annotations

from pathvlm_r1.reward import Completion, Score

NEITHER = 3


def brief(completion: Completion, *, most_words: int, unit: str = "words") -> Score:
    """1 for a short text."""
    count = len(completion.text.split())
    return Score(float(count <= most_words), f"{count} {unit}")


def open_to_all(completion: Completion, **settings: object) -> Score:
    """Takes anything."""
    return Score(float(len(settings)), completion.text)


def nothing_to_score() -> Score:
    """Has no room for a completion."""
    return Score(0.0, "")


class Prefix:
    """A term with a state of its own."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, completion: Completion) -> Score:
        return Score(float(completion.text.startswith(self.prefix)), "looked")
