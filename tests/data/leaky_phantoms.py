"""Phantom questions whose text gives the answer away, each in a way of its own, beside the sound ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from configured_phantoms import source

from pathvlm_r1.data import Sample

COUNT = 160


def sound_phantoms() -> list[Sample]:
    """As they are: text says nothing."""
    return source("histology").samples("test", COUNT)


def with_option_prior(sample: Sample, random: np.random.Generator) -> Sample:
    """Wrong options are never right elsewhere, as in the four public sets that this method is scored on."""
    wrong = iter([f"distractor {number}" for number in random.permutation(90)[: len(sample.options)]])
    options = [option if letter == sample.answer else next(wrong) for letter, option in _lettered(sample)]
    return replace(sample, options=tuple(options))


def with_length(sample: Sample, random: np.random.Generator) -> Sample:
    """The right option is the longest, in words that tell nothing else."""
    del random
    options = [option + " of this kind" * (letter == sample.answer) for letter, option in _lettered(sample)]
    return replace(sample, options=tuple(options))


def with_letter(sample: Sample, random: np.random.Generator) -> Sample:
    """Three in four right options stand under B."""
    if random.random() > 0.75 or sample.answer == "B":
        return sample
    options, place = list(sample.options), sample.letters.index(sample.answer)
    options[1], options[place] = options[place], options[1]
    return replace(sample, options=tuple(options), answer="B")


def with_hint(sample: Sample, random: np.random.Generator) -> Sample:
    """The question says the right option's words."""
    del random
    return replace(sample, question=f"{sample.question} The slide was labelled {sample.option(sample.answer)}.")


LEAKS: dict[str, Callable[[Sample, np.random.Generator], Sample]] = {  # the rule that sees it -> the leak
    "option prior": with_option_prior,
    "longest option": with_length,
    "majority letter": with_letter,
    "text model": with_hint,
}


def leaky_phantoms(rule: str) -> list[Sample]:
    """The same questions with one leak."""
    random = np.random.default_rng(0)
    return [LEAKS[rule](sample, random) for sample in sound_phantoms()]


def _lettered(sample: Sample) -> list[tuple[str, str]]:
    return list(zip(sample.letters, sample.options, strict=True))
