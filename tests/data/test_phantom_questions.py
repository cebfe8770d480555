"""Questions about phantoms: one right option by the ontology alone, and a text that says nothing about which."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from configured_phantoms import split
from hypothesis import given
from hypothesis.strategies import integers, sampled_from
from phantom_truth import is_right
from scipy import stats
from text_readers import accuracies, chance_bounds
from wrong_phantoms import lengthened, natural_grade, skewed_diagnosis

from pathvlm_r1.data import LETTERS
from pathvlm_r1.data.phantom import ONTOLOGIES
from pathvlm_r1.data.phantom.questions import draw_question, question_types

KINDS = [(modality, kind) for modality, ontology in ONTOLOGIES.items() for kind in question_types(ontology)]
DRAWS = 8_000
LEAST_P = 1e-4  # of a chi-square; the draws are fixed, so a sound generator passes always or never


def option_text_faults(drawn):
    """Texts that are right more or less often than one time in four of those that they are shown."""
    shown = Counter((kind, option) for kind, options, _ in drawn for option in options)
    right = Counter((kind, options[answer]) for kind, options, answer in drawn)
    level = 1 - 0.001 / len(shown)
    bounds = {text: stats.binom.interval(level, count, 1 / 4) for text, count in shown.items()}
    return [text for text, (low, high) in bounds.items() if not low <= right[text] <= high]


@cache
def drawn_questions(modality):
    """(type, options, answer) of many questions, of every type alike."""
    random, ontology = np.random.default_rng(3), ONTOLOGIES[modality]
    kinds = question_types(ontology)
    questions = [draw_question(ontology, kinds[i % len(kinds)], random) for i in range(DRAWS)]
    return [(question.question_type, question.options, question.answer) for question in questions]


@given(kind=sampled_from(KINDS), seed=integers(0, 2**64))
def test_exactly_the_keyed_option_is_right(kind, seed):
    ontology = ONTOLOGIES[kind[0]]
    question = draw_question(ontology, kind[1], np.random.default_rng(seed))
    shown = set(question.findings.values())
    verdicts = [is_right(ontology, kind[1], option, shown) for option in question.options]
    assert verdicts == [index == question.answer for index in range(4)]
    assert len(set(question.options)) == 4


@given(kind=sampled_from(KINDS), seed=integers(0, 2**64))
def test_the_table_is_the_picture_and_rules_out_exactly_the_wrong_options(kind, seed):
    ontology = ONTOLOGIES[kind[0]]
    question = draw_question(ontology, kind[1], np.random.default_rng(seed))
    table = question.table
    assert question.findings.keys() == ontology.findings.keys()
    assert set(ontology.phrases) & table.shown == set(question.findings.values())
    assert set(ontology.phrases) <= table.shown | table.absent
    assert not table.shown & table.absent
    assert all(len(group & table.shown) == 1 for group in table.exclusive)
    is_excluded = [bool(facts.excluded_by & table.shown) for facts in table.options]
    assert is_excluded == [index != question.answer for index in range(4)]


@given(modality=sampled_from(list(ONTOLOGIES)), seed=integers(0, 2**64))
def test_the_root_finding_alone_leaves_two_diagnoses_open(modality, seed):
    ontology = ONTOLOGIES[modality]
    question = draw_question(ontology, "diagnosis", np.random.default_rng(seed))
    root = next(iter(ontology.findings))
    fitting = [o for o in question.options if ontology.conditions[o][root] == question.findings[root]]
    assert len(fitting) == 2


@pytest.mark.medium
@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_neither_letter_nor_option_text_says_which_is_right(modality):
    drawn = drawn_questions(modality)
    letters = Counter((kind, answer) for kind, _, answer in drawn)
    for kind in {kind for kind, _, _ in drawn}:
        assert stats.chisquare([letters[kind, answer] for answer in range(4)]).pvalue > LEAST_P, kind
    shown = Counter((kind, option) for kind, options, _ in drawn for option in options)
    right = Counter((kind, options[answer]) for kind, options, answer in drawn)
    table = np.array([(right[text], count - right[text]) for text, count in shown.items()])
    assert stats.chi2_contingency(table).pvalue > LEAST_P
    assert option_text_faults(drawn) == []


@pytest.mark.medium
def test_a_prior_over_answers_shows_in_the_option_texts():
    for wrong in (skewed_diagnosis, natural_grade):
        drawn = [(s.question_type, s.options, LETTERS.index(s.answer)) for s in wrong(0, DRAWS)]
        assert len(option_text_faults(drawn)) >= 2


@pytest.mark.medium
@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_readers_of_the_text_alone_stay_at_chance_on_the_configured_splits(modality):
    train, test = split(modality, "sft"), split(modality, "test")
    low, high = chance_bounds(len(test))
    reached = accuracies(train, test)
    assert {name: accuracy for name, accuracy in reached.items() if not low <= accuracy <= high} == {}


@pytest.mark.medium
def test_readers_of_the_text_alone_catch_each_way_of_giving_the_answer_away():
    caught = {}
    for wrong in (skewed_diagnosis, natural_grade):
        reached = accuracies(wrong(1, 3_000), wrong(2, 999))
        caught[wrong.__name__] = {name for name, accuracy in reached.items() if accuracy > chance_bounds(999)[1]}
    reached = accuracies(lengthened(split("ct", "sft")), lengthened(split("ct", "test")))
    assert caught["skewed_diagnosis"] >= {"option most often right", "linear model"}
    assert caught["natural_grade"] >= {"option most often right", "linear model"}
    assert reached["longest option"] > 0.9
    assert reached["linear model"] > 0.9
