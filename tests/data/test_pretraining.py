"""The base model's exercises: fixed by their index, true, of every kind in its share, and never in tags."""

import re
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from configured_phantoms import PRETRAINING
from phantom_truth import is_fact, is_right, question_type
from scipy import stats
from tiny import tiny_encoder

from pathvlm_r1.data.phantom import ONTOLOGIES
from pathvlm_r1.data.pretraining import ExerciseSource, tokenizer_corpus
from pathvlm_r1.data.rationale import read

SOURCE = ExerciseSource(11, PRETRAINING["image_size"], PRETRAINING["pictures"], PRETRAINING["shares"])
EXERCISES = 1_500
OPTION = re.compile(r"^([A-D])\) (.+)$", re.MULTILINE)
FACT = re.compile(r"By definition ([^.]+) means ([^.]+)\.")
NAMED_LETTER = re.compile(r"This is ([^.()]+) \(([A-D])\)\.")


@cache
def exercises():
    """Many exercises by their kind, each told from its text."""
    found = {kind: [] for kind in PRETRAINING["shares"]}
    for exercise in map(SOURCE, range(EXERCISES)):
        found[kind_of(exercise)].append(exercise)
    return found


def kind_of(exercise):
    starts = {"Name the ": "name_findings", "What does ": "recall_fact", "The image shows ": "conclude"}
    for start, kind in starts.items():
        if exercise.prompt.startswith(start):
            return kind
    if exercise.image is not None:
        return "answer"
    if exercise.target.startswith(" score "):
        return "add_up"
    return "derive" if exercise.target.startswith("By definition ") else "look_up"


def ontology_of(exercise):
    return next(ontology for ontology in ONTOLOGIES.values() if ontology.picture in exercise.prompt)


def is_keyed(exercise, option, phrases):
    """Whether an option of the exercise's question, and no other, is right where the phrases are shown."""
    ontology, kind = ontology_of(exercise), question_type(exercise.prompt)
    right = [text for _, text in OPTION.findall(exercise.prompt) if is_right(ontology, kind, text, phrases)]
    return right == [option]


def stated(text):
    """The findings that a text states, without the score that follows from them."""
    return {phrase for phrase in read(text).seen if not phrase.startswith("score ")}


def test_an_exercise_is_a_function_of_its_index_alone():
    backwards = [SOURCE(index) for index in reversed(range(60))]
    assert backwards[::-1] == [replace(SOURCE)(index) for index in range(60)]
    assert len({(exercise.prompt, exercise.given, exercise.target) for exercise in backwards}) > 50
    assert [replace(SOURCE, seed=12)(index) for index in range(60)] != backwards[::-1]


def test_rendered_pictures_of_an_exercise_are_the_same_too():
    index = next(index for index in range(100) if SOURCE(index).image is not None)
    assert SOURCE(index).image.load().tobytes() == replace(SOURCE)(index).image.load().tobytes()


def test_neither_what_is_given_nor_what_is_learnt_has_a_tag():
    for kind, found in exercises().items():
        assert not [e for e in found if re.search(r"<|>|think|answer", e.given + e.target)]
        assert kind == "answer" or not [e for e in found if "<" in e.prompt]


def test_every_kind_has_its_share():
    counted, shares = Counter({kind: len(found) for kind, found in exercises().items()}), dict(PRETRAINING["shares"])
    assert counted["add_up"] > 0
    assert {e.prompt for e in exercises()["add_up"]} == {"Which grade fits this histology image?"}
    counted["derive"] += counted.pop("add_up")  # a derivation where nothing is scored
    shares["derive"] += shares.pop("add_up")
    expected = [share * EXERCISES for share in shares.values()]
    assert stats.chisquare([counted[kind] for kind in shares], expected).pvalue > 1e-4


def test_kinds_follow_the_shares_that_are_asked_for():
    for kind in PRETRAINING["shares"]:
        only = replace(SOURCE, shares={kind: 1.0})
        assert {kind_of(only(index)) for index in range(20)} <= {kind, "derive" if kind == "add_up" else kind}


def test_histology_has_three_sevenths_of_the_exercises_and_every_other_modality_one():
    named = Counter(ontology_of(exercise).modality for exercise in exercises()["name_findings"])
    expected = np.array([3 if modality == "histology" else 1 for modality in ONTOLOGIES]) * named.total() / 7
    assert stats.chisquare([named[modality] for modality in ONTOLOGIES], expected).pvalue > 1e-4


def test_named_findings_are_those_asked_for_and_true_of_the_picture():
    for exercise in exercises()["name_findings"]:
        asked = re.split(", | and ", re.search(r"Name the (.+) in this ", exercise.prompt)[1])
        assert list(read(exercise.target).seen) == [exercise.image.findings[attribute] for attribute in asked]
        assert exercise.image.modality == ontology_of(exercise).modality
        assert exercise.given == ""


def test_all_findings_are_asked_for_in_six_exercises_of_ten_and_every_order_is_met():
    found = [e for e in exercises()["name_findings"] if ontology_of(e).modality == "oct"]
    complete = [e for e in found if len(read(e.target).seen) == 4]
    low, high = stats.binom.interval(0.9999, len(found), 0.6)
    assert low <= len(complete) <= high
    assert len({read(e.target).seen[0] for e in found}) == len(ONTOLOGIES["oct"].phrases)


def test_recalled_facts_are_true():
    for exercise in exercises()["recall_fact"]:
        [(subject, meaning)] = FACT.findall(exercise.target)
        assert exercise.prompt == f"What does {subject} mean?"
        assert is_fact(subject, meaning), exercise
        assert exercise.image is None


def test_conclusions_and_derivations_follow_from_what_is_stated():
    for exercise in exercises()["conclude"]:
        option = exercise.target.removeprefix("This is ").removesuffix(".")
        assert is_keyed(exercise, option, stated(exercise.prompt.partition(". ")[0])), exercise
    for exercise in exercises()["derive"]:
        facts = FACT.findall(exercise.target)
        assert all(is_fact(*fact) for fact in facts)
        assert is_keyed(exercise, facts[-1][0], stated(exercise.given)), exercise
    assert not [e for e in [*exercises()["conclude"], *exercises()["derive"]] if e.image is not None]


def test_added_up_scores_are_the_sum_of_the_points():
    points = ONTOLOGIES["histology"].points
    for exercise in exercises()["add_up"]:
        *phrases, score = read(exercise.given + exercise.target).seen
        assert score == f"score {sum(points[phrase] for phrase in phrases)}"
        assert len(phrases) == len(ONTOLOGIES["histology"].scored)


def test_looked_up_letters_are_those_of_the_named_options():
    for exercise in exercises()["look_up"]:
        options = {text: letter for letter, text in OPTION.findall(exercise.prompt)}
        pairs = NAMED_LETTER.findall(exercise.target)
        if not pairs:
            [named] = re.findall(r"This is ([^.]+)\.", exercise.given)
            pairs = [(named, exercise.target.removesuffix(")."))]
        else:
            assert " ".join(f"This is {name} ({letter})." for name, letter in pairs) == exercise.target
            assert {name for name, _ in pairs} == set(options)
        assert all(options[name] == letter for name, letter in pairs), exercise


def test_one_letter_is_looked_up_at_several_distances_from_its_name():
    singles = [e for e in exercises()["look_up"] if len(e.target) == 3]
    sentences_after = Counter(e.given.partition("This is ")[2].count(". ") for e in singles)
    assert set(sentences_after) == {1, 2, 3, 4}


def test_answers_are_a_name_with_its_letter_and_right():
    for exercise in exercises()["answer"]:
        options = dict(OPTION.findall(exercise.prompt))
        name, letter = NAMED_LETTER.fullmatch(exercise.target).groups()
        assert options[letter] == name
        assert is_keyed(exercise, name, set(exercise.image.findings.values()))
        assert exercise.given == ""


@pytest.mark.parametrize("kind", ["answer", "look_up"])
def test_no_letter_is_the_better_guess(kind):
    letters = Counter(e.target.strip(").")[-1] for e in exercises()[kind])
    assert stats.chisquare([letters[letter] for letter in "ABCD"]).pvalue > 1e-4


def test_pictures_repeat_after_as_many_as_configured():
    few = replace(SOURCE, pictures=3, shares={"name_findings": 1.0})
    keys = Counter((few(index).image.modality, few(index).image.key) for index in range(150))
    assert len(keys) == 3 * len(ONTOLOGIES)


def test_the_tokenizer_reads_every_word_of_the_ontologies():
    corpus = " ".join(tokenizer_corpus(SOURCE, 600))
    missing = {phrase for ontology in ONTOLOGIES.values() for phrase in ontology.phrases if phrase not in corpus}
    assert missing == set()
    assert "red cell" in corpus


def test_a_look_up_in_a_dialogue_asks_every_listed_option_and_one_named_later_for_its_letter():
    for index in range(60):
        task = SOURCE.look_up(index, tiny_encoder().rendered)
        assert SOURCE.look_up(index, tiny_encoder().rendered) == task
        whole = "".join(text for text, _ in task.pieces)
        by_letter = dict(OPTION.findall(whole.replace("<|im_end|>", "\n")))
        assert [letter for _, letter in task.pieces[:4]] == list(by_letter)
        assert all(text.endswith(by_letter[letter]) for text, letter in task.pieces[:4])
        named = whole.rpartition("This is ")[2].removesuffix(" (")
        assert by_letter[task.pieces[-1][1]] == by_letter[task.pieces[-2][1]] == named
        assert whole.count("<|im_start|>assistant") == 1


def test_the_letters_that_look_ups_in_dialogues_ask_for_are_balanced():
    letters = Counter(SOURCE.look_up(index, tiny_encoder().rendered).pieces[-1][1] for index in range(400))
    assert stats.chisquare([letters[letter] for letter in "ABCD"]).pvalue > 1e-3


def test_the_pieces_of_a_look_up_in_a_dialogue_have_the_tokens_of_the_whole():
    tokenize = tiny_encoder().tokenizer
    for index in range(20):
        task = SOURCE.look_up(index, tiny_encoder().rendered)
        pieces = [token for text, _ in task.pieces for token in tokenize(text)["input_ids"]]
        assert pieces == tokenize("".join(text for text, _ in task.pieces))["input_ids"]
