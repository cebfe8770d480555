"""How close the text of an answer is to the reference's, for questions that give no options to choose from."""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.reward.completion import Completion, Score, unscored

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SEPARATE = re.compile(r"[^\W_]+")  # what stands apart by a stroke, which punctuation's removal glues together, is two
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def token_f1(answer: str, reference: str) -> float:
    """The harmonic mean of precision and recall of an answer's words.

        F1 = 2 |answer ∩ reference| / (|answer| + |reference|)        words counted as often as they stand

    Lower case, without punctuation and articles. Without any words on either side: 1 if both have none, else 0.

    Source: Rajpurkar et al. 2016 (SQuAD), arXiv:1606.05250, section 6.1, and its evaluation script.
    """
    answered, wanted = _words(answer), _words(reference)
    if not answered or not wanted:
        return float(answered == wanted)
    return 2 * (Counter(answered) & Counter(wanted)).total() / (len(answered) + len(wanted))


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def answer_text(text: str) -> str | None:
    """What stands in the one closed answer block of a completion; None where there is none, or more than one."""
    blocks = text.split("<answer>")[1:]
    if len(blocks) != 1 or "</answer>" not in blocks[0]:
        return None
    return blocks[0].partition("</answer>")[0].strip()


@dataclass(frozen=True)
class TextSimilarity:
    """The token F1 of the answer's text on an open question; not applicable where there are options to choose from.

    An answer of more words than the reference has 0: with room for a second answer, "adenoma or lymphoma" would have
    two thirds of what the right one has, and more than either of its answers where it is wrong.
    """

    name: str = "text_similarity"

    def __call__(self, completion: Completion) -> Score:
        """In [0, 1]; 0 where there is not exactly one answer block, or it is too long to be one answer or to score."""
        sample, text = completion.sample, completion.text
        if not sample.is_open:
            return Score(None, "not applicable: the question has options, and accuracy reads which one is meant")
        if len(text) > MAX_SCORED_CHARACTERS:
            return unscored(text)
        answer, reference = answer_text(text), sample.option(sample.answer)
        if answer is None:
            return Score(0.0, "exactly one answer block must stand there, closed")
        said = f"answered {answer!r}, reference {reference!r}"
        words, most = (len(_SEPARATE.findall(_ARTICLES.sub(" ", each.lower()))) for each in (answer, reference))
        if words > most:
            return Score(0.0, f"{said}: of {words} words, {most} are one answer")
        return Score(token_f1(answer, reference), said)
