"""The rules judge: what it takes for a step or a contradiction, and that it is given nothing of the truth."""

import inspect
from dataclasses import replace

import pytest
from exploit import Attempt, honest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, text
from written_completions import FLAWLESS, all_samples, events_of, honest_wrong, open_question, reference

from pathvlm_r1.reward import Completion, FinishReason, RubricEvents
from pathvlm_r1.reward.judges import RulesJudge
from pathvlm_r1.reward.judges.rules import worded_events

JUDGE = RulesJudge()
SAMPLES = all_samples()
QUESTION, OPTIONS = "Which diagnosis fits this image?", ("adenoma", "adenosis", "sarcoma", "no lesion")


def present(reasoning, answer="A", options=OPTIONS):
    """The events that some words have."""
    events = worded_events(QUESTION, options, f"<think>{reasoning}</think><answer>{answer}</answer>")
    return {name for name, value in events.to_dict().items() if value}


def test_every_complete_reference_has_the_three_steps_and_no_error():
    assert all(events_of(JUDGE, reference(sample)) == FLAWLESS for sample in SAMPLES)


def test_a_misread_finding_looks_like_a_true_one():
    written = [wrong for wrong in map(honest_wrong, SAMPLES) if wrong is not None]
    assert len(written) > len(SAMPLES) / 2
    assert all(events_of(JUDGE, wrong) == FLAWLESS for wrong in written)


class Unread:
    """A picture that may not be looked at."""

    def load(self):
        raise AssertionError("the picture was looked at")


@given(place=integers(0, len(SAMPLES) - 1), shift=integers(0, 8))
def test_neither_the_picture_nor_the_findings_nor_the_right_answer_reach_it(place, shift):
    judged = reference(SAMPLES[place])
    letters = judged.sample.letters
    blind = replace(
        judged.sample,
        images=(Unread(),),
        findings=None,
        answer=letters[shift % len(letters)],
        rationale="",
        image_id="x",
    )
    assert events_of(JUDGE, replace(judged, sample=blind)) == events_of(JUDGE, judged)


OPEN = [open_question(sample, sample.option(sample.answer)) for sample in SAMPLES]


@given(place=integers(0, len(SAMPLES) - 1))
def test_of_an_open_question_an_answer_s_words_are_read_and_nobody_tells_it_the_right_ones(place):
    """Its only option is the reference answer: a judge that is given it pays a right answer for being right."""
    sample, question = SAMPLES[place], OPEN[place]
    for letter in sample.letters:
        wrong = Attempt(sample, letter, states_text=False, is_open=True)
        judged = Completion(question, honest(wrong), FinishReason.STOP, 1)
        elsewhere = replace(judged, sample=open_question(sample, "something else altogether"))
        assert events_of(JUDGE, judged) == events_of(JUDGE, elsewhere) == FLAWLESS


def open_steps(reasoning, answer="adenoma"):
    return present(reasoning, answer, options=())


def test_an_open_answer_is_supported_by_what_names_it_and_an_alternative_is_what_is_excluded():
    assert open_steps("By definition adenoma means glands.") == {"medical_knowledge_support"}
    assert open_steps("By definition sarcoma means spindle cells.") == set()
    assert open_steps("Adenoma because adenoma.") == set()
    assert open_steps("Here sarcoma is excluded by glands.") == {"option_elimination"}
    assert open_steps("Here adenoma is excluded by glands.") == {"logical_contradiction"}
    assert open_steps("It is excluded.") == set()
    assert open_steps("Here sarcoma is excluded by glands.", "") == set()
    assert open_steps("By definition adenoma means glands.", f"adenoma {'x' * 300}") == set()


def test_its_function_takes_question_options_and_text_and_nothing_else():
    assert list(inspect.signature(worded_events).parameters) == ["question", "options", "text"]


@pytest.mark.parametrize(
    ("reasoning", "steps"),
    [
        ("The image shows glands.", {"image_feature_analysis"}),
        ("There are 3 mitoses, and we see necrosis", {"image_feature_analysis"}),
        ("The slide contains 7.", {"image_feature_analysis"}),
        ("Glands and nuclei.", set()),
        ("The image shows findings.", set()),
        ("The image shows adenoma, adenosis and sarcoma.", set()),
        ("The image shows .", set()),
        ("Here adenosis is excluded by glands.", {"option_elimination"}),
        ("The nuclei argue against sarcoma.", {"option_elimination"}),
        ("Here no lesion is excluded by glands.", {"option_elimination"}),
        ("Here adenosis is not excluded by glands.", set()),
        ("Here adenomatosis is excluded by glands.", set()),
        ("Every other option is excluded.", set()),
        ("By definition adenoma means glands.", {"medical_knowledge_support"}),
        ("It is adenoma because the glands are round.", {"medical_knowledge_support"}),
        ("By definition sarcoma means spindle cells.", set()),
        ("By definition adenoma means adenoma.", set()),
        ("Medical knowledge supports the diagnosis.", set()),
        ("I analyse the image features with care and eliminate the options that do not fit.", set()),
    ],
)
def test_a_step_is_what_it_sounds_like(reasoning, steps):
    assert present(reasoning) == steps


@pytest.mark.parametrize(
    ("reasoning", "answer", "contradicts"),
    [
        ("This is adenoma.", "A", False),
        ("This is adenosis.", "A", True),
        ("This is adenoma or adenosis.", "A", True),
        ("This is not adenosis. This is adenoma.", "A", False),
        ("This is adenoma or adenosis.", "?", True),
        ("This is adenoma.", "?", False),
        ("This is no lesion.", "D", False),
        ("This is no lesion.", "A", True),
        ("Therefore adenosis is excluded by glands.", "A", False),
        ("Here adenoma is excluded by glands.", "A", True),
        ("The image shows glands and nests. The image does not show glands.", "A", True),
        ("The image shows glands and nests. The image shows no nests.", "A", True),
        ("The image shows glands. The image shows no nests.", "A", False),
        ("By definition adenoma means glands. By definition adenoma does not mean glands.", "A", True),
        (
            "By definition a clear surface means no haze. By definition a clear surface does not mean no haze.",
            "A",
            True,
        ),
        ("Here adenosis is excluded by glands. Here adenosis is not excluded by glands.", "A", True),
    ],
)
def test_a_contradiction_is_another_conclusion_or_what_is_said_and_denied(reasoning, answer, contradicts):
    assert ("logical_contradiction" in present(reasoning, answer)) is contradicts


def test_an_option_within_another_is_not_mistaken_for_it():
    options = ("blue naevus", "cellular blue naevus")
    assert present("This is cellular blue naevus.", "B", options) == set()
    assert "logical_contradiction" in present("This is cellular blue naevus.", "A", options)
    assert present("Here cellular blue naevus is excluded by size.", "A", options) == {"option_elimination"}


@given(
    written=lists(
        sampled_from(["This is ", "The image shows ", " means ", "not ", " is excluded by ", ". ", *OPTIONS])
    ),
    noise=text(max_size=20),
)
def test_any_text_is_judged_and_what_cannot_be_known_without_the_truth_is_absent(written, noise):
    for reasoning in ("".join(written), noise, "".join(written) + noise):
        events = worded_events(QUESTION, OPTIONS, reasoning)
        assert isinstance(events, RubricEvents)
        assert not events.definition_error
        assert not events.incorrect_criterion


def test_its_verdicts_say_who_decided():
    (verdict,) = JUDGE([reference(SAMPLES[0])])
    assert (verdict.provenance.judge, verdict.provenance.revision) == ("rules", "rules_v2")
    assert verdict.provenance.cost_usd == 0
    assert JUDGE([]) == []
