"""MedEvalKit's contract (commit 9b12e3b): letters, yes or no, and concise texts, read by rules alone.

Its language model judge, which is on by default there, sets PathVQA's closed hits back to 0 and counts SLAKE's closed
items twice; neither the judge nor what it does to the counts is reproduced. An open answer is right only where it is
the reference's text. Its prompts for PathVQA and VQA-RAD are chosen by the reference answer, as here by the options.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, answer_text, is_yes_no, letter_of_text, lettered
from pathvlm_r1.contract.omnimedvqa import most_similar
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, UNREAD, Parsed
from pathvlm_r1.contract.tags import first_answer
from pathvlm_r1.data import Sample

_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_MARKS = ("**answer**:", "**answer**", "*answer*:", "**answer:**", "answer is", "answer:", "final answer")
_MAX_ANSWER = 300  # characters; its rules read no longer one


@dataclass(frozen=True)
class MedEvalKitContract:
    """Contracts `medevalkit_v1` and `medevalkit_v1_with_miscounts`.

    Of a box, an answer block or what follows "answer is" and the like: up to its first full stop, behind its last
    colon, a letter or an option's text. Yes and no are words, one of them and not the other.

    With miscounts: what is neither is the most similar option, and yes and no are found within words, so that "normal"
    and "not seen" say no.
    """

    with_miscounts: bool = False
    asking: ClassVar[Asking] = Asking(min_pixels=3_136, max_pixels=12_845_056, max_completion_tokens=8_192)

    @property
    def name(self) -> str:
        return "medevalkit_v1" + "_with_miscounts" * self.with_miscounts

    def prompt(self, sample: Sample) -> str:
        """By the kind of question."""
        if sample.is_open:
            return f"{sample.question}\nPlease answer the question concisely."
        if is_yes_no(sample):
            return f"{sample.question}\nPlease output 'yes' or 'no'(no extra output)."
        options = lettered(sample, "{letter}. {text}")
        suffix = "Answer with the option's letter from the given choices directly."
        return f"\nQuestion: {sample.question}\nOptions: \n{options}\n{suffix}"

    def target(self, sample: Sample) -> str:
        """The letter, or the text."""
        return answer_text(sample) if sample.is_open or is_yes_no(sample) else sample.answer

    def read(self, text: str, sample: Sample) -> Parsed:
        """By the kind of question."""
        if len(text) > MAX_SCORED_CHARACTERS:
            return UNREAD
        lowered = text.lower()
        stated = _stated(lowered)
        if sample.is_open:
            return _exact(letter_of_text(stated, sample))
        if is_yes_no(sample):
            return _exact(self._yes_or_no(stated, sample))
        first, last = lowered.split("\n\n")[0], lowered.split("\n\n")[-1].partition(".")[0]
        part = stated.partition(".")[0].rpartition(":")[2]
        for lone in (first, last, part):
            if letter := _letter(lone, sample):
                return Parsed(letter, states_text=False, is_formatted=True)
        answer = letter_of_text(part, sample) if len(part) <= _MAX_ANSWER else None
        if answer is None and self.with_miscounts:
            return Parsed(_nearest(stated, sample), states_text=False, is_formatted=False, is_guessed=True)
        return Parsed(answer, states_text=answer is not None, is_formatted=False)

    def _yes_or_no(self, stated: str, sample: Sample) -> str | None:
        words: str | set[str] = stated if self.with_miscounts else set(re.findall(r"\w+", stated))
        said = [word for word in ("yes", "no") if word in words]
        return letter_of_text(said[0], sample) if len(said) == 1 else None


def _letter(part: str, sample: Sample) -> str | None:
    letter = part.strip().upper()
    return letter if len(letter) == 1 and letter in sample.letters else None


def _stated(text: str) -> str:
    if boxed := _BOXED.search(text):
        text = boxed[1]
    elif "<answer>" in text:
        text = first_answer(text)
    for mark in _MARKS:
        text = text.rpartition(mark)[2]
    return text


def _nearest(stated: str, sample: Sample) -> str:
    lowered = {letter: sample.option(letter).lower() for letter in sample.letters}
    return most_similar(stated, lowered)[0]


def _exact(answer: str | None) -> Parsed:
    return Parsed(answer, states_text=answer is not None, is_formatted=answer is not None)
