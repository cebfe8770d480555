"""Exercises for the nano base model: what an instruct model can do before it has seen a reasoning tag.

It learns to name findings in all five modalities, what the conditions, markers and grades mean, to look up the letter of an
option, and a little to answer in plain letters. The shares are those of `conf/stage/pretrain.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.phantom.dataset import PhantomSource
from pathvlm_r1.data.phantom.ontology import ONTOLOGIES, Ontology
from pathvlm_r1.data.rationale import Style, concludes, join, means, read, shows, write
from pathvlm_r1.data.sample import ImageSource, Sample


@dataclass(frozen=True)
class Exercise:
    """One dialogue turn; loss falls on `target` alone, which continues `given`."""

    prompt: str
    target: str
    given: str = ""
    image: ImageSource | None = None


@dataclass(frozen=True)
class ExerciseSource:
    """An endless, indexable stream of exercises; pictures repeat after `pictures` of them."""

    seed: int
    image_size: int
    pictures: int
    shares: Mapping[str, float]  # kind of exercise -> share

    def __call__(self, index: int) -> Exercise:
        """The exercise at an index, always the same."""
        random = np.random.default_rng((self.seed, index))
        kind = str(random.choice(list(self.shares), p=list(self.shares.values())))
        weights = np.array([3.0 if name == "histology" else 1.0 for name in ONTOLOGIES])
        modality = str(random.choice(list(ONTOLOGIES), p=weights / weights.sum()))
        source = PhantomSource("pretraining", modality, self.seed, self.image_size, {Style.COMPLETE: 1.0})
        sample = source.sample(modality, int(random.integers(self.pictures)))
        return _KINDS[kind](ONTOLOGIES[modality], sample, random)


def _name_findings(ontology: Ontology, sample: Sample, random: np.random.Generator) -> Exercise:
    """Naming all of the findings, or some, in any order."""
    attributes = [str(name) for name in random.permutation(list(ontology.findings))]
    count = len(attributes) if random.random() < 0.6 else int(random.integers(1, len(attributes)))
    assert sample.findings is not None  # noqa: S101  every phantom has its table
    asked = attributes[:count]
    shown = [next(p for p in ontology.findings[name] if p in sample.findings.shown) for name in asked]
    prompt = f"Name the {join(asked)} in this {ontology.picture}."
    return Exercise(prompt, shows(shown), image=sample.image)


def _recall_fact(ontology: Ontology, sample: Sample, random: np.random.Generator) -> Exercise:
    """What a condition, marker, grade or finding means."""
    assert sample.findings is not None  # noqa: S101
    subject = str(random.choice(list(sample.findings.knowledge)))
    return Exercise(f"What does {subject} mean?", means(subject, sample.findings.knowledge[subject]))


def _conclude(ontology: Ontology, sample: Sample, random: np.random.Generator) -> Exercise:
    """From stated findings to the conclusion, without the picture."""
    reading = read(sample.rationale)
    return Exercise(f"{shows(reading.seen)} {_options(sample)}", concludes(sample.option(sample.answer)))


def _derive(ontology: Ontology, sample: Sample, random: np.random.Generator) -> Exercise:
    """From stated findings to the fact that they satisfy, without the picture."""
    reading = read(sample.rationale)
    facts = " ".join(means(subject, definition) for subject, definition in _facts(sample))
    return Exercise(_options(sample), facts, given=f"{shows(reading.seen)} ")


def _add_up(ontology: Ontology, sample: Sample, random: np.random.Generator) -> Exercise:
    """The score of stated findings, in the words of a rationale; a derivation where nothing is scored."""
    if not ontology.grades:
        return _derive(ontology, sample, random)
    chosen = {name: str(random.choice(list(ontology.findings[name]))) for name in ontology.scored}
    stated = shows([*chosen.values(), "score"]).removesuffix(" score.")
    return Exercise(f"Which grade fits this {ontology.picture}?", f" score {ontology.score(chosen)}.", given=stated)


def _look_up(ontology: Ontology, sample: Sample, random: np.random.Generator) -> Exercise:
    """The letters of all options in any order, or of one at some distance from its name."""
    letters = [str(letter) for letter in random.permutation(list(sample.letters))]
    filler = write_filler(ontology, random)
    named = [concludes(sample.option(letter)) for letter in letters]
    if random.random() < 0.6:
        pairs = " ".join(f"{name} {letter}" for name, letter in zip(named, letters, strict=True))
        return Exercise(_options(sample), pairs, given=filler)
    return Exercise(
        _options(sample), letters[0], given=f"{named[0]} {filler}" if random.random() < 0.5 else f"{filler}{named[0]} "
    )


def _answer(ontology: Ontology, sample: Sample, random: np.random.Generator) -> Exercise:
    """The contract's question, answered as an instruct model does that was never taught tags: by a plain letter."""
    return Exercise(Contract().prompt(sample), sample.answer, image=sample.image)


def write_filler(ontology: Ontology, random: np.random.Generator) -> str:
    """None to three sentences that have nothing to do with the question, each followed by a space."""
    names = list(ontology.conditions)
    sentences = []
    for _ in range(int(random.integers(4))):
        phrases = [str(phrase) for phrase in random.permutation(list(ontology.phrases))[: int(random.integers(1, 5))]]
        name = str(random.choice(names))
        sentences.append(
            str(
                random.choice([shows(phrases), means(name, join(phrases)), f"Here {name} is excluded by {phrases[0]}."])
            )
        )
    return "".join(f"{sentence} " for sentence in sentences)


def _options(sample: Sample) -> str:
    return Contract().prompt(sample).rpartition("\n")[0]


def _facts(sample: Sample) -> list[tuple[str, str]]:
    assert sample.findings is not None  # noqa: S101
    subjects = sample.findings.options[sample.letters.index(sample.answer)].subjects
    return [(subject, sample.findings.knowledge[subject]) for subject in subjects]


_KINDS: Mapping[str, Callable[[Ontology, Sample, np.random.Generator], Exercise]] = {
    "name_findings": _name_findings,
    "recall_fact": _recall_fact,
    "conclude": _conclude,
    "derive": _derive,
    "add_up": _add_up,
    "look_up": _look_up,
    "answer": _answer,
}


def tokenizer_corpus(source: ExerciseSource, exercises: int) -> Iterator[str]:
    """The text that the nano tokenizer learns its words from: exercises, and the words of counting questions.

    Tags stay apart from words here, so that a letter in a tag is the same token as a letter in a list of options.
    """
    for index in range(exercises):
        exercise = source(index)
        yield exercise.prompt
        yield exercise.given + exercise.target
    for count in range(40):
        for cell in ("red cell", "platelet"):
            yield f"How many {cell}s does this blood smear show? at most {count} {cell}s or {count} or more {cell}s"
            yield f"no {cell}. one {cell}. two {cell}s. three or more {cell}s. exactly {count} {cell}s more than {count}"
            yield f"The image shows {count} {cell}s. By definition {count} to {count + 3} {cell}s means a count from {count}"
            yield f"Here the option means a count of exactly {count} or a count of {count} or more. Compare: fewer or more?"
