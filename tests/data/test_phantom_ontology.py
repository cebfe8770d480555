"""The closed worlds of the phantoms: enough to tell apart, nothing decided by one finding, unambiguous words."""

from itertools import combinations, permutations, product

import pytest

from pathvlm_r1.data.phantom import ONTOLOGIES
from pathvlm_r1.data.phantom.questions import question_types

RESERVED = [", ", " and ", ".", " means ", " is excluded by "]  # what the grammar of rationales is read by
every_modality = pytest.mark.parametrize("ontology", ONTOLOGIES.values(), ids=ONTOLOGIES)


def tables(ontology):
    """Every complete findings table, as the set of its phrases."""
    return [frozenset(phrases) for phrases in product(*ontology.findings.values())]


def conditions_of(ontology, table):
    return [name for name, definition in ontology.conditions.items() if table.issuperset(definition.values())]


def test_histology_tells_at_least_eight_entities_apart_by_at_least_seven_findings_and_asks_four_types():
    histology = ONTOLOGIES["histology"]
    assert len(histology.conditions) >= 8
    assert len(histology.findings) >= 7
    assert len(set(question_types(histology))) >= 4


def test_every_finding_of_histology_bears_on_some_condition():
    histology = ONTOLOGIES["histology"]
    used = {attribute for definition in histology.conditions.values() for attribute in definition}
    assert used == set(histology.findings)


@every_modality
def test_every_modality_has_conditions_and_findings_of_its_own(ontology):
    others = [other for other in ONTOLOGIES.values() if other is not ontology]
    assert len(ontology.conditions) >= 4
    assert len({"finding", "diagnosis"} & set(question_types(ontology))) == 2
    assert not set(ontology.phrases) & {phrase for other in others for phrase in other.phrases}
    assert not set(ontology.conditions) & {name for other in others for name in other.conditions}


@every_modality
def test_definitions_are_made_of_the_attributes_and_phrases_of_the_modality(ontology):
    for definition in ontology.conditions.values():
        assert all(phrase in ontology.findings[attribute] for attribute, phrase in definition.items())
    assert all(ontology.attribute(p) == name for name, phrases in ontology.findings.items() for p in phrases)
    assert all(len(phrases) >= 2 for phrases in ontology.findings.values())


@every_modality
def test_no_single_finding_decides(ontology):
    for phrase in {phrase for definition in ontology.conditions.values() for phrase in definition.values()}:
        assert sum(phrase in definition.values() for definition in ontology.conditions.values()) >= 2, phrase


@every_modality
def test_every_pair_of_conditions_conflicts_in_a_finding(ontology):
    for (one, first), (other, second) in combinations(ontology.conditions.items(), 2):
        assert any(first[name] != second[name] for name in first.keys() & second.keys()), (one, other)


@every_modality
def test_every_condition_has_a_picture_and_no_picture_has_two(ontology):
    found = [conditions_of(ontology, table) for table in tables(ontology)]
    assert max(map(len, found)) == 1
    assert {name for names in found for name in names} == set(ontology.conditions)


@every_modality
def test_leaving_out_any_finding_of_a_definition_leaves_it_open(ontology):
    for name, definition in ontology.conditions.items():
        for attribute in definition:
            rest = {phrase for other, phrase in definition.items() if other != attribute}
            possible = {n for table in tables(ontology) if rest <= table for n in conditions_of(ontology, table)}
            assert possible > {name}, (name, attribute)


@every_modality
def test_no_phrase_is_a_run_of_another_ones_words_and_none_holds_the_grammars(ontology):
    for phrase, other in permutations(ontology.phrases, 2):
        assert f" {phrase} " not in f" {other} ", (phrase, other)
    terms = [*ontology.phrases, *ontology.conditions, *ontology.markers.values(), *ontology.grades.values()]
    assert not [(term, word) for term in terms for word in RESERVED if word in term]


@every_modality
def test_names_stay_apart_when_case_is_lost(ontology):
    names = [*ontology.phrases, *ontology.conditions, *ontology.markers.values(), *{*ontology.grades.values()}]
    assert len({name.lower() for name in names}) == len(names)


def test_markers_are_one_to_one_with_the_conditions():
    histology = ONTOLOGIES["histology"]
    assert set(histology.markers) == set(histology.conditions)
    assert len(set(histology.markers.values())) == len(histology.conditions)


@every_modality
def test_grades_are_total_over_what_pictures_can_score(ontology):
    attributes = list(ontology.findings)
    scores = {ontology.score(dict(zip(attributes, t, strict=True))) for t in product(*ontology.findings.values())}
    assert scores == (set(ontology.grades) or {0})
    assert all(phrase in ontology.points for name in ontology.scored for phrase in ontology.findings[name])


def test_grades_rise_with_the_score():
    ordered = [grade for _, grade in sorted(ONTOLOGIES["histology"].grades.items())]
    assert ordered == sorted(ordered)
    assert len(set(ordered)) == 4
