"""Lessons in looking up the letter of a named option, from two one-word options to whole lists with text in between.

A look-up is not learned gradually but found: the loss stays where guessing leaves it, then falls at once. Whole
dialogues alone leave it at chance, and so do four options asked for right away. Two things make it
quick: options that grow in number, and asking every name for its letter, in the list, where the letter stands before
it, as in the sentence that must fetch it from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.data.phantom.ontology import ONTOLOGIES
from pathvlm_r1.data.rationale import concludes, shows
from pathvlm_r1.data.sample import LETTERS

_ALPHABET = LETTERS[:4]


@dataclass(frozen=True)
class Lesson:
    """What one lesson asks, and when it is learned."""

    options: int
    has_names: bool  # the modalities' own phrases and names, not single words of the vocabulary
    filler: int  # at most so many sentences between the list and the question
    rows: int  # in one optimiser step
    passed_at: float  # share of right letters, over `LESSON_WINDOW` steps


LESSON_WINDOW = 20  # optimiser steps
LESSONS = (
    Lesson(options=2, has_names=False, filler=0, rows=256, passed_at=0.9),
    Lesson(options=3, has_names=False, filler=0, rows=192, passed_at=0.9),
    Lesson(options=4, has_names=False, filler=0, rows=160, passed_at=0.9),
    Lesson(options=4, has_names=True, filler=0, rows=128, passed_at=0.9),
    Lesson(options=4, has_names=True, filler=2, rows=96, passed_at=0.85),
)


@dataclass(frozen=True)
class LookUp:
    """A list of options and a sentence that names one of them, in pieces: each with the letter that its end must tell.

    The last piece ends where the letter itself would stand; the others end with a name.
    """

    pieces: tuple[tuple[str, str], ...]


def look_ups(lesson: Lesson, words: Sequence[str], random: np.random.Generator) -> Iterator[LookUp]:
    """An endless stream of a lesson's tasks; letters stand in any order, so that only the list tells them."""
    modalities = list(ONTOLOGIES.values())
    while True:
        ontology = modalities[int(random.integers(len(modalities)))]
        names = [*ontology.phrases, *ontology.conditions, *ontology.markers.values()]
        material = names if lesson.has_names else list(words)
        chosen = [material[i] for i in random.choice(len(material), lesson.options, replace=False)]
        letters = [str(letter) for letter in random.permutation(list(_ALPHABET))[: lesson.options]]
        asked = int(random.integers(lesson.options))
        filler = "".join(
            f"{shows([str(random.choice(list(ontology.phrases)))])} "
            for _ in range(int(random.integers(lesson.filler + 1)))
        )
        listed = [
            (f"{'' if index == 0 else chr(10)}{letter}) {name}", letter)
            for index, (letter, name) in enumerate(zip(letters, chosen, strict=True))
        ]
        conclusion = concludes(chosen[asked]).removesuffix(".")
        yield LookUp((*listed, (f"\n{filler}{conclusion}", letters[asked]), (" (", letters[asked])))
