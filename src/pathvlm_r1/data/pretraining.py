"""Exercises for the nano base model: what an instruct model can do before it has seen a reasoning tag.

It learns to name findings in all five modalities, what the conditions, markers and grades mean, to look up the letter
of an option, and a little to answer in plain letters. The shares are those of `conf/stage/pretrain.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.lookups import LookUp
from pathvlm_r1.data.phantom.dataset import PhantomImage, PhantomSource
from pathvlm_r1.data.phantom.ontology import ONTOLOGIES, Ontology
from pathvlm_r1.data.rationale import Style, concludes, excludes, join, means, read, shows
from pathvlm_r1.data.sample import FindingsTable, ImageSource, Sample

_WEIGHTS = np.array([3.0 if name == "histology" else 1.0 for name in ONTOLOGIES])
MODALITY_SHARES = _WEIGHTS / _WEIGHTS.sum()  # of the pictures; histology is the domain


@dataclass(frozen=True)
class Exercise:
    """One dialogue turn; loss falls on `target` alone, which continues `given`."""

    prompt: str
    target: str
    given: str = ""
    image: ImageSource | None = None


@dataclass(frozen=True)
class _Scene:
    """What an exercise is made of."""

    ontology: Ontology
    sample: Sample
    random: np.random.Generator

    @property
    def table(self) -> FindingsTable:
        if self.sample.findings is None:
            raise ValueError(f"{self.sample.sample_id} has no findings table: exercises need one")
        return self.sample.findings

    @property
    def options(self) -> str:
        """The question and its options, without the instruction that asks for tags."""
        return Contract().prompt(self.sample).rpartition("\n")[0]

    @property
    def stated(self) -> str:
        """The findings of the complete rationale, as it states them."""
        return shows(read(self.sample.rationale).seen)


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
        kinds = [kind for kind in _KINDS if kind in self.shares]  # by a fixed order: a manifest sorts keys
        kind = str(random.choice(kinds, p=[self.shares[kind] for kind in kinds]))
        return _KINDS[kind](self._scene(random))

    def look_up(self, index: int, render: Callable[[str], str]) -> LookUp:
        """A look-up in a whole dialogue, always the same at an index.

        Args:
            index: of the look-up, in an order of its own.
            render: from a user's turn to the dialogue up to the opening of the assistant's.
        """
        return _dialogue_look_up(self._scene(np.random.default_rng((self.seed, 3, index))), render)

    def _scene(self, random: np.random.Generator) -> _Scene:
        modality = str(random.choice(list(ONTOLOGIES), p=MODALITY_SHARES))
        source = PhantomSource("pretraining", modality, self.seed, self.image_size, {Style.COMPLETE: 1.0})
        return _Scene(ONTOLOGIES[modality], source.sample(modality, int(random.integers(self.pictures))), random)


@dataclass(frozen=True)
class PictureSource:
    """An endless, indexable stream of phantoms of all modalities, for the vision tower."""

    seed: int
    image_size: int
    pictures: int  # distinct ones per modality

    def __call__(self, index: int) -> PhantomImage:
        """The picture at an index, always the same."""
        random = np.random.default_rng((self.seed, 1, index))
        modality = str(random.choice(list(ONTOLOGIES), p=MODALITY_SHARES))
        source = PhantomSource("pretraining", modality, self.seed, self.image_size, {Style.COMPLETE: 1.0})
        return source.picture(modality, int(random.integers(self.pictures)))


def _name_findings(scene: _Scene) -> Exercise:
    """Naming all of the findings, or some, in any order."""
    attributes = [str(name) for name in scene.random.permutation(list(scene.ontology.findings))]
    count = len(attributes) if scene.random.random() < 0.6 else int(scene.random.integers(1, len(attributes)))
    asked = attributes[:count]
    shown = [next(p for p in scene.ontology.findings[name] if p in scene.table.shown) for name in asked]
    prompt = f"Name the {join(asked)} in this {scene.ontology.picture}."
    return Exercise(prompt, shows(shown), image=scene.sample.images[0])


def _recall_fact(scene: _Scene) -> Exercise:
    """What a condition, marker, grade or finding means."""
    subject = str(scene.random.choice(list(scene.table.knowledge)))
    return Exercise(f"What does {subject} mean?", means(subject, scene.table.knowledge[subject]))


def _conclude(scene: _Scene) -> Exercise:
    """From stated findings to the conclusion, without the picture."""
    return Exercise(f"{scene.stated} {scene.options}", concludes(scene.sample.option(scene.sample.answer)))


def _derive(scene: _Scene) -> Exercise:
    """From stated findings to the facts that they satisfy, without the picture."""
    subjects = scene.table.options[scene.sample.letters.index(scene.sample.answer)].subjects
    facts = " ".join(means(subject, scene.table.knowledge[subject]) for subject in subjects)
    return Exercise(scene.options, facts, given=f"{scene.stated} ")


def _add_up(scene: _Scene) -> Exercise:
    """The score of stated findings, in the words of a rationale; a derivation where nothing is scored."""
    ontology = scene.ontology
    if not ontology.grades:
        return _derive(scene)
    chosen = {name: str(scene.random.choice(list(ontology.findings[name]))) for name in ontology.scored}
    stated = shows([*chosen.values(), "score"]).removesuffix(" score.")
    return Exercise(f"Which grade fits this {ontology.picture}?", f" score {ontology.score(chosen)}.", given=stated)


def _look_up(scene: _Scene) -> Exercise:
    """The letters of all options in any order, or of one at some distance from its name."""
    letters = [str(letter) for letter in scene.random.permutation(list(scene.sample.letters))]
    filler = _filler(scene)
    if scene.random.random() < 0.7:
        named = [f"This is {scene.sample.option(letter)} ({letter})." for letter in letters]
        return Exercise(scene.options, " ".join(named), given=filler)
    given = f"{concludes(scene.sample.option(letters[0]))} {filler}The letter is ("
    return Exercise(scene.options, f"{letters[0]}).", given=given)


def _dialogue_look_up(scene: _Scene, render: Callable[[str], str]) -> LookUp:
    """Each option is asked for its letter where it is listed, and one of them where the assistant names it."""
    sample, random = scene.sample, scene.random
    rendered = render(Contract().prompt(sample) if random.random() < 0.5 else scene.options)
    pieces, start = [], 0
    for letter, option in zip(sample.letters, sample.options, strict=True):
        line = f"{letter}) {option}"
        end = rendered.index(line, start) + len(line)
        pieces.append((rendered[start:end], letter))
        start = end
    asked = str(random.choice(list(sample.letters)))
    named = concludes(sample.option(asked)).removesuffix(".")
    return LookUp((*pieces, (f"{rendered[start:]}{_filler(scene)}{named}", asked), (" (", asked)))


def _answer(scene: _Scene) -> Exercise:
    """The contract's question, answered as an instruct model does that was never taught tags: by name and letter."""
    name = concludes(scene.sample.option(scene.sample.answer)).removesuffix(".")
    return Exercise(Contract().prompt(scene.sample), f"{name} ({scene.sample.answer}).", image=scene.sample.images[0])


def _filler(scene: _Scene) -> str:
    """None to three sentences that have nothing to do with the question, each followed by a space."""
    random, names = scene.random, list(scene.ontology.conditions)
    sentences = []
    for _ in range(int(random.integers(4))):
        shuffled = random.permutation(list(scene.ontology.phrases))
        phrases = [str(phrase) for phrase in shuffled[: int(random.integers(1, 5))]]
        name = str(random.choice(names))
        forms = [shows(phrases), means(name, join(phrases)), excludes(name, phrases[0])]
        sentences.append(str(random.choice(forms)))
    return "".join(f"{sentence} " for sentence in sentences)


_KINDS: Mapping[str, Callable[[_Scene], Exercise]] = {
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
    for n in range(40):
        for cell in ("red cell", "platelet"):
            yield f"How many {cell}s does this blood smear show? at most {n} {cell}s or {n} or more {cell}s"
            yield f"no {cell}. one {cell}. two {cell}s. three or more {cell}s. exactly {n} {cell}s more than {n}"
            yield f"The image shows {n} {cell}s. By definition {n} to {n + 3} {cell}s means a count from {n}"
            yield f"Here the option means a count of exactly {n} or a count of {n} or more. Compare: fewer or more?"
