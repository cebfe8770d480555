"""Texts made of exploits: several of them joined or put into each other, repeated, and damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from catalogue import EXPLOITS
from exploit import Attempt, attempts, honest
from hypothesis import strategies as st

from pathvlm_r1.data import Sample
from pathvlm_r1.reward.judges.oracle import reasoning

LONGEST = 20_000  # characters: length has its own tests, and these are many
PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "<answer>A</answer>", " B", "(C)", " or ", "The image shows ",
    " and ", "By definition ", " means ", "Here ", " is excluded by ", "This is ", ". ", ", ",
    "no ", " does not show ", "\x00",
    "\u200b", "\u202e", "\ud800", "\u0130", "ß", "\u0131", "{", '"', "\n", " " * 50, "(((", "</answer><answer>",
]  # fmt: skip


def joined(random: Random, texts: Sequence[str]) -> str:
    """One text behind the other."""
    return random.choice(["", " ", "\n", ". "]).join(texts)


def merged(_: Random, texts: Sequence[str]) -> str:
    """One completion of which the reasoning is that of all."""
    first, *others = texts
    inside = " ".join(map(reasoning, others))
    return first.replace("</think>", f" {inside}</think>", 1)


def nested(_: Random, texts: Sequence[str]) -> str:
    """Each text within the reasoning of the one before."""
    result = ""
    for text in reversed(texts):
        result = text.replace("</think>", f"{result}</think>", 1)
    return result


def interleaved(random: Random, texts: Sequence[str]) -> str:
    """The sentences of all, in any order, in the form of the first."""
    sentences = [sentence for text in texts for sentence in reasoning(text).split(". ")]
    random.shuffle(sentences)
    before, tag, after = texts[0].partition("</think>")
    return f"{before.partition('<think>')[1]}{'. '.join(sentences)}{tag}{after}"


def repeated(random: Random, text: str) -> str:
    """The text, or a part of it, some times."""
    start, end = _span(random, text)
    return text[:end] + text[start:end] * random.randint(1, 4) + text[end:]


def cut(random: Random, text: str) -> str:
    """The text without a part of it."""
    start, end = _span(random, text)
    return text[:start] + text[end:]


def pierced(random: Random, text: str) -> str:
    """The text with hostile pieces in it."""
    for _ in range(random.randint(1, 3)):
        place = random.randint(0, len(text))
        text = text[:place] + random.choice(PIECES) + text[place:]
    return text


def cased(random: Random, text: str) -> str:
    """The text with a part of it in the other case."""
    start, end = _span(random, text)
    return text[:start] + text[start:end].swapcase() + text[end:]


def without_a_sentence(random: Random, text: str) -> str:
    """The text without one of its sentences."""
    sentences = text.split(". ")
    del sentences[random.randrange(len(sentences))]
    return ". ".join(sentences)


COMPOSE: Sequence[Callable[[Random, Sequence[str]], str]] = (joined, merged, nested, interleaved)
DAMAGE: Sequence[Callable[[Random, str], str]] = (repeated, cut, pierced, cased, without_a_sentence)


@st.composite
def composed(draw: st.DrawFn, samples: Sequence[Sample]) -> tuple[Attempt, str]:
    """An attempt and a text from one to three exploits of it, or of honest text among them."""
    attempt = draw(st.sampled_from([each for sample in samples for each in attempts(sample)]))
    writers = [*(exploit.write for exploit in EXPLOITS), honest]
    texts = [write(attempt)[:LONGEST] for write in draw(st.lists(st.sampled_from(writers), min_size=1, max_size=3))]
    random = draw(st.randoms(use_true_random=False))
    text = draw(st.sampled_from(COMPOSE))(random, texts)
    for damage in draw(st.lists(st.sampled_from(DAMAGE), max_size=3)):
        text = damage(random, text)[: 4 * LONGEST]
    return attempt, text


def _span(random: Random, text: str) -> tuple[int, int]:
    """A part of a text, mostly short."""
    start = random.randint(0, len(text))
    return start, min(len(text), start + random.choice([1, 3, 10, 100, 1000]))
