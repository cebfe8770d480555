"""What every contract is: a question's prompt, what surrounds it, and a parser; and the kinds of questions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from pathvlm_r1.contract.parsed import Parsed
from pathvlm_r1.data import Sample


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a contract asks under, beside its prompt; None leaves it to the model's own configuration."""

    system: str | None = None  # None: the chat template's own; empty: no system turn at all
    min_pixels: int | None = None  # of a picture after resizing
    max_pixels: int | None = None
    max_completion_tokens: int | None = None  # the most that a completion may have


class EvaluationContract(Protocol):
    """What an evaluation asks, and how it reads the answer. All that are named here decode greedily."""

    @property
    def name(self) -> str:
        """With its version: a change of prompt, pixels or parser is another name."""
        ...

    @property
    def asking(self) -> Asking:
        """System text, pixels and length."""
        ...

    def prompt(self, sample: Sample) -> str:
        """The user's turn, without the image.

        Raises:
            DatasetError: the contract has no prompt for this kind of question; names the record.
        """
        ...

    def target(self, sample: Sample) -> str:
        """A completion that answers rightly and in the form that is asked for."""
        ...

    def read(self, text: str, sample: Sample) -> Parsed:
        """Read any string as an answer to this question; the reference answer decides nothing but an open one."""
        ...


def is_yes_no(sample: Sample) -> bool:
    """Whether the options are yes and no."""
    return {plain(option) for option in sample.options} == {"yes", "no"}


def guessed(sample: Sample) -> str:
    """The letter that stands for a harness's random one: the same for a question at every time, uniform over them."""
    digest = hashlib.sha256(f"{sample.dataset}/{sample.sample_id}".encode()).digest()
    return sample.letters[int.from_bytes(digest[:8], "big") % len(sample.letters)]


def plain(text: str) -> str:
    """Without case, runs of white space and what ends a sentence."""
    return " ".join(text.split()).strip(" .").casefold()  # of answers; a record keeps a stop that begins it, as in ".5"


def lettered(sample: Sample, pattern: str, separator: str = "\n") -> str:
    """The options, each as `pattern` has it of `{letter}` and `{text}`."""
    pairs = zip(sample.letters, sample.options, strict=True)
    return separator.join(pattern.format(letter=letter, text=text) for letter, text in pairs)


def answer_text(sample: Sample) -> str:
    """The right answer as a question without letters wants it."""
    return sample.option(sample.answer)


def letter_of_text(text: str, sample: Sample) -> str | None:
    """The letter of the only option that a text is, case and white space aside."""
    found = [letter for letter in sample.letters if plain(sample.option(letter)) == plain(text)]
    return found[0] if len(found) == 1 else None
