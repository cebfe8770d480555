"""Questions about phantoms, built so that their text says nothing about the answer.

Options are drawn first, then the right letter uniformly, and only then a picture for which that option, and no other,
is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.data.phantom.ontology import Ontology
from pathvlm_r1.data.rationale import Argument, join
from pathvlm_r1.data.sample import FindingsTable, OptionFacts

OPTION_COUNT = 4
ELIMINATED = 1  # wrong options that a complete rationale dismisses: those that follow the right one, around


@dataclass(frozen=True)
class Question:
    """A question with the findings that its picture must show."""

    question_type: str
    text: str
    options: tuple[str, ...]
    answer: int  # index into options
    findings: Mapping[str, str]  # attribute -> phrase, complete
    deciding: tuple[str, ...]  # attributes by which the right option is
    table: FindingsTable
    argument: Argument


def question_types(ontology: Ontology) -> tuple[str, ...]:
    """The types of question that a modality has the knowledge for."""
    types = ["finding", "diagnosis"]
    return (*types, *(["grade"] if ontology.grades else []), *(["marker"] if ontology.markers else []))


def draw_question(ontology: Ontology, question_type: str, random: np.random.Generator) -> Question:
    """One question of a type with its four options and the findings of its picture."""
    return _DRAW[question_type](ontology, random)


def _draw_findings(ontology: Ontology, fixed: Mapping[str, str], random: np.random.Generator) -> dict[str, str]:
    """A value for every attribute: the fixed ones, the rest uniformly."""
    return {
        attribute: fixed.get(attribute, str(random.choice(list(phrases))))
        for attribute, phrases in ontology.findings.items()
    }


def _draw_finding(ontology: Ontology, random: np.random.Generator) -> Question:
    attributes = [str(name) for name in random.permutation(list(ontology.findings))[:OPTION_COUNT]]
    options = tuple(str(random.choice(list(ontology.findings[attribute]))) for attribute in attributes)
    answer = int(random.integers(OPTION_COUNT))
    fixed = {attributes[answer]: options[answer]}
    for attribute, option in zip(attributes, options, strict=True):
        others = [phrase for phrase in ontology.findings[attribute] if phrase != option]
        fixed.setdefault(attribute, str(random.choice(others)))
    findings = _draw_findings(ontology, fixed, random)
    facts = tuple(
        OptionFacts((option,), frozenset(ontology.findings[attribute]) - {option})
        for attribute, option in zip(attributes, options, strict=True)
    )
    knowledge = {phrase: meaning for phrases in ontology.findings.values() for phrase, meaning in phrases.items()}
    return _question(
        "finding", "Which finding is present in this {picture}?", ontology,
        options=options, answer=answer, findings=findings, attributes=tuple(attributes), facts=facts,
        knowledge=knowledge, deciding=(attributes[answer],),
    )  # fmt: skip


def _draw_diagnosis(ontology: Ontology, random: np.random.Generator) -> Question:
    conditions = _draw_conditions(ontology, random)
    answer = int(random.integers(OPTION_COUNT))
    definition = ontology.conditions[conditions[answer]]
    facts = tuple(OptionFacts((name,), _against(ontology, name)) for name in conditions)
    return _question(
        "diagnosis", "Which diagnosis fits this {picture}?", ontology,
        options=conditions, answer=answer, findings=_draw_findings(ontology, definition, random),
        attributes=tuple(definition), facts=facts, knowledge=_definitions(ontology),
    )  # fmt: skip


def _draw_marker(ontology: Ontology, random: np.random.Generator) -> Question:
    conditions = _draw_conditions(ontology, random)
    answer = int(random.integers(OPTION_COUNT))
    definition = ontology.conditions[conditions[answer]]
    markers = tuple(ontology.markers[name] for name in conditions)
    facts = tuple(
        OptionFacts((name, marker), _against(ontology, name)) for name, marker in zip(conditions, markers, strict=True)
    )
    knowledge = _definitions(ontology) | {marker: name for name, marker in ontology.markers.items()}
    return _question(
        "marker", "Which stain confirms the diagnosis in this {picture}?", ontology,
        options=markers, answer=answer, findings=_draw_findings(ontology, definition, random),
        attributes=tuple(definition), facts=facts, knowledge=knowledge,
    )  # fmt: skip


def _draw_grade(ontology: Ontology, random: np.random.Generator) -> Question:
    options = tuple(str(grade) for grade in random.permutation(list(dict.fromkeys(ontology.grades.values()))))
    answer = int(random.integers(OPTION_COUNT))
    while True:  # the rarest grade is one picture in twelve: a dozen draws suffice
        findings = _draw_findings(ontology, {}, random)
        score = ontology.score(findings)
        if ontology.grades[score] == options[answer]:
            break
    scores = {grade: [s for s, name in ontology.grades.items() if name == grade] for grade in options}
    facts = tuple(
        OptionFacts((grade,), frozenset(f"score {s}" for s in ontology.grades if s not in scores[grade]))
        for grade in options
    )
    knowledge = {grade: " or ".join(f"score {s}" for s in values) for grade, values in scores.items()}
    return _question(
        "grade", "Which grade fits this {picture}?", ontology,
        options=options, answer=answer, findings=findings, attributes=ontology.scored, facts=facts, knowledge=knowledge,
        derived=(f"score {score}", tuple(f"score {s}" for s in ontology.grades)),
    )  # fmt: skip


def _draw_conditions(ontology: Ontology, random: np.random.Generator) -> tuple[str, ...]:
    """Four conditions, two of them siblings under one root, so that the root finding does not decide."""
    root = next(iter(ontology.findings))
    roots = [str(phrase) for phrase in random.permutation(list(ontology.findings[root]))[:2]]
    names: list[str] = []
    for phrase in roots:
        siblings = [name for name, definition in ontology.conditions.items() if definition[root] == phrase]
        names += [str(name) for name in random.permutation(siblings)[:2]]
    return tuple(str(name) for name in random.permutation(names))


def _question(
    question_type: str,
    text: str,
    ontology: Ontology,
    *,
    options: tuple[str, ...],
    answer: int,
    findings: Mapping[str, str],
    attributes: tuple[str, ...],
    facts: tuple[OptionFacts, ...],
    knowledge: Mapping[str, str],
    derived: tuple[str, tuple[str, ...]] | None = None,
    deciding: tuple[str, ...] | None = None,
) -> Question:
    """A question with its table and its complete argument; `derived` is a (true, all possible) computed finding.

    All attributes decide unless `deciding` names those that do.
    """
    computed, computable = ((derived[0],), derived[1]) if derived else ((), ())
    seen = tuple(findings[attribute] for attribute in attributes) + computed
    every = frozenset(ontology.phrases) | frozenset(computable)
    shown = frozenset(findings.values()) | frozenset(computed)
    table = FindingsTable(
        shown=shown,
        absent=every - shown,
        relevant=frozenset(p for name in attributes for p in ontology.findings[name]) | frozenset(computable),
        knowledge=knowledge,
        options=facts,
        exclusive=tuple(frozenset(values) for values in (*ontology.findings.values(), computable) if values),
    )
    wrong = [(answer + step) % len(options) for step in range(1, ELIMINATED + 1)]
    argument = Argument(
        seen=seen,
        cited=tuple((subject, knowledge[subject]) for subject in facts[answer].subjects),
        excluded=tuple((options[i], next(p for p in reversed(seen) if p in facts[i].excluded_by)) for i in wrong),
        conclusion=options[answer],
    )
    picture = text.format(picture=ontology.picture)
    decide = attributes if deciding is None else deciding
    return Question(question_type, picture, options, answer, findings, decide, table, argument)


def _definitions(ontology: Ontology) -> dict[str, str]:
    return {name: join(tuple(definition.values())) for name, definition in ontology.conditions.items()}


def _against(ontology: Ontology, condition: str) -> frozenset[str]:
    """The findings that rule a condition out: other values of the attributes that define it."""
    return frozenset(
        phrase
        for attribute, required in ontology.conditions[condition].items()
        for phrase in ontology.findings[attribute]
        if phrase != required
    )


_DRAW: Mapping[str, Callable[[Ontology, np.random.Generator], Question]] = {
    "finding": _draw_finding,
    "diagnosis": _draw_diagnosis,
    "grade": _draw_grade,
    "marker": _draw_marker,
}
