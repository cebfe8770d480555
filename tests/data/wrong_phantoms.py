"""Questions as they must not be drawn: the picture first, the answer as often as pictures happen to have it."""

from collections.abc import Sequence

import numpy as np

from pathvlm_r1.data import LETTERS, Sample
from pathvlm_r1.data.phantom import ONTOLOGIES, Ontology, PhantomImage

HISTOLOGY = ONTOLOGIES["histology"]


def skewed_diagnosis(seed: int, count: int) -> list[Sample]:
    """A condition by a prior that falls from the first to the last, and three others to choose from."""
    names = list(HISTOLOGY.conditions)
    prior = 1 / np.arange(1, len(names) + 1)
    random = np.random.default_rng(seed)
    written = []
    for _ in range(count):
        right = str(random.choice(names, p=prior / prior.sum()))
        others = [str(name) for name in random.permutation([name for name in names if name != right])[:3]]
        written.append(_sample("diagnosis", right, [right, *others], random))
    return written


def natural_grade(seed: int, count: int) -> list[Sample]:
    """The grade of a picture whose findings were drawn uniformly."""
    random = np.random.default_rng(seed)
    grades = list(dict.fromkeys(HISTOLOGY.grades.values()))
    return [_sample("grade", HISTOLOGY.grades[_drawn_score(HISTOLOGY, random)], grades, random) for _ in range(count)]


def lengthened(samples: Sequence[Sample]) -> list[Sample]:
    """The right option with more to say than the others, as authors of real sets let it have."""
    return [
        Sample(
            **{**vars(s), "options": tuple(f"{o}, as seen here" if s.option(s.answer) == o else o for o in s.options)}
        )
        for s in samples
    ]


def _drawn_score(ontology: Ontology, random: np.random.Generator) -> int:
    return ontology.score({name: str(random.choice(list(phrases))) for name, phrases in ontology.findings.items()})


def _sample(question_type: str, right: str, options: Sequence[str], random: np.random.Generator) -> Sample:
    shuffled = tuple(str(option) for option in random.permutation(list(options)))
    return Sample(
        sample_id="",
        image_id="",
        dataset="wrong",
        question_type=question_type,
        question=f"Which {question_type} fits this histology image?",
        options=shuffled,
        answer=LETTERS[shuffled.index(right)],
        rationale="",
        images=(PhantomImage("histology", {}, (0,), 8),),
    )
