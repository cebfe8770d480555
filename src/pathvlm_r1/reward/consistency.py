"""Whether the answer is what the reasoning concludes, by a rule on the text alone: no judge, any dataset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS, Contract
from pathvlm_r1.data import LETTERS
from pathvlm_r1.reward.completion import Completion, Score, unscored
from pathvlm_r1.reward.judges.oracle import reasoning

_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n\s*\n")
_PARTS = (
    r"(?P<cue>(?i:\b(?:(?:this|it) is\b|must be\b|(?:answer|diagnosis|conclusion|choice)(?: is\b|:)|conclude\b"
    r"|therefore\b|thus\b|hence\b)))",
    r"(?P<confirmed>(?i:\bis (?:the |most )*(?:correct|right|best|likely)\b))",  # said of what stands before it
    r"(?P<denial>(?i:\b(?:not|no|never|neither|nor|rather than|instead of)\b))",
    r"(?P<clause_end>[,;]|(?i:\bbut\b))",
)
_DENIED_BEHIND = re.compile(r"\s+(?:is|was|can be)\s+(?:not\b|excluded|ruled out|unlikely)", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_JOINTS = {"and", "or", "either", "both", "option", "the", "a", "an"}  # between names of one conclusion


def concluded(text: str, options: Sequence[str]) -> frozenset[str] | None:
    """The letters that a reasoning concludes last; None where it concludes nothing.

    A sentence concludes the options that it names, by text or capital letter, right behind words such as "this is",
    "the answer is" or "therefore", or before "is correct", and does not deny. The last such sentence counts; to deny
    what stands concluded takes it back. Several letters are no decision, nor is none. Linear in the text.

    Args:
        text: of the reasoning.
        options: their texts, in the order of their letters.
    """
    pattern = re.compile("|".join([_named(options), *_PARTS]))
    letters = {_plain(option): letter for option, letter in zip(options, LETTERS, strict=False)}
    standing: frozenset[str] | None = None
    for sentence in _SENTENCE_END.split(text):
        claimed, denied = _Sentence(sentence, letters).read(pattern)
        if claimed:
            standing = frozenset(claimed)
        elif standing is not None:
            standing -= denied
    return standing


@dataclass(frozen=True)
class AnswerConsistency:
    """1 when the answer is the one option that the reasoning concludes, else 0; None where it concludes nothing."""

    contract: Contract
    name: str = "consistency"

    def __call__(self, completion: Completion) -> Score:
        """1, 0 or None; 0 for a text too long to score."""
        text, options = completion.text, completion.sample.options
        if completion.sample.is_open:
            return Score(None, "not applicable: the question has no options to conclude")
        if len(text) > MAX_SCORED_CHARACTERS:
            return unscored(text)
        letters = concluded(reasoning(text), options)
        if letters is None:
            return Score(None, "not applicable: the reasoning concludes no option")
        answer = self.contract.parse(text, options).answer
        said = " and ".join(sorted(letters)) or "what it takes back"
        return Score(float(letters == {answer}), f"answered {answer!r}, concluded {said}")


class _Sentence:
    """One pass over a sentence: what it claims, and what it denies."""

    def __init__(self, text: str, letters: dict[str, str]) -> None:
        self.text, self.letters = text, letters
        self.claimed: set[str] = set()
        self.denied: set[str] = set()
        self.clause: list[str] = []  # undenied names of the clause so far
        self.is_denying = False
        self.is_cued = False  # a name may be claimed
        self.last_end: int | None = None  # of the name that was claimed last, since the last cue

    def read(self, pattern: re.Pattern[str]) -> tuple[set[str], set[str]]:
        """The letters claimed, and those denied."""
        for match in pattern.finditer(self.text):
            match match.lastgroup:
                case "cue":
                    self.is_cued, self.is_denying, self.last_end = True, False, None
                case "confirmed" if self.clause:
                    self.claimed = set(self.clause)
                case "denial":
                    self.is_denying = True
                case "clause_end":
                    self.is_denying, self.clause = False, []
                case "name":
                    self._name(match)
        return self.claimed, self.denied

    def _name(self, match: re.Match[str]) -> None:
        letter = self.letters.get(_plain(match[0]), match[0])
        is_denied = self.is_denying or _DENIED_BEHIND.match(self.text, match.end()) is not None
        if is_denied:
            self.denied.add(letter)
            return
        self.clause.append(letter)
        if not self.is_cued:
            return
        if self.last_end is None:
            self.claimed = {letter}
        elif set(_WORD.findall(self.text[self.last_end : match.start()].lower())) <= _JOINTS:
            self.claimed.add(letter)
        else:
            self.is_cued = False  # "B, because A has .." claims B alone
        self.last_end = match.end()


def _named(options: Sequence[str]) -> str:
    """Finds an option by its text, the longest first, or by its capital letter; the pronoun I is no letter."""
    texts = sorted(options, key=len, reverse=True)
    spelt = "|".join(r"\s+".join(map(re.escape, _plain(text).split())) for text in texts)
    letters = LETTERS[: len(options)]
    return rf"(?P<name>(?<!\w)(?:(?i:{spelt})|(?!I\s+[a-z])[{letters}])(?!\w))"


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .").lower()  # not casefold: it is looked for in the text as it stands
