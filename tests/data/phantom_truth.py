"""What is true of phantoms by the ontology alone, without anything of questions.py."""

from collections.abc import Set as AbstractSet

from pathvlm_r1.data.phantom import ONTOLOGIES, Ontology

TYPES = {
    "finding is present": "finding",
    "diagnosis fits": "diagnosis",
    "stain confirms": "marker",
    "grade fits": "grade",
}


def question_type(text: str) -> str:
    """The type of a question, from its words."""
    return next(name for words, name in TYPES.items() if f"Which {words}" in text)


def is_right(ontology: Ontology, kind: str, option: str, phrases: AbstractSet[str]) -> bool:
    """Whether an option answers a question of this type on a picture that shows the phrases."""
    holding = [name for name, definition in ontology.conditions.items() if phrases >= set(definition.values())]
    points = sum(ontology.points.get(phrase, 0) for phrase in phrases)
    return {
        "finding": option in phrases,
        "diagnosis": option in holding,
        "marker": option in [ontology.markers.get(name) for name in holding],
        "grade": ontology.grades.get(points) == option,
    }[kind]


def is_fact(subject: str, meaning: str) -> bool:
    """Whether a subject, of whatever modality, means this."""
    for ontology in ONTOLOGIES.values():
        for phrases in ontology.findings.values():
            if subject in phrases:
                return phrases[subject] == meaning
        if subject in ontology.conditions:
            return set(meaning.replace(" and ", ", ").split(", ")) == set(ontology.conditions[subject].values())
        if subject in ontology.grades.values():
            scores = {int(part.removeprefix("score ")) for part in meaning.split(" or ")}
            return scores == {score for score, grade in ontology.grades.items() if grade == subject}
        if subject in ontology.markers.values():
            return ontology.markers.get(meaning) == subject
    return False
