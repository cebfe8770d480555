"""Findings against the picture, under an encoder whose similarities are known in closed form."""

import math
from dataclasses import replace

import pytest
from truthful_encoder import TruthfulEncoder
from written_completions import completion, honest_wrong, phantom_samples, reference

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.data.rationale import read, shows
from pathvlm_r1.reward import Completion, FinishReason, ImageTextAlignment, stated_findings
from pathvlm_r1.reward.alignment import MAX_FINDINGS

SAMPLES = phantom_samples("histology", 12)
SAMPLE = SAMPLES[1]


@pytest.fixture
def term():
    return ImageTextAlignment(TruthfulEncoder(SAMPLES))


def test_findings_are_the_phrases_of_the_grammar_or_the_sentences_of_prose_each_once_and_undenied():
    assert stated_findings(shows(["glands", "no mitoses", "glands", "necrosis"])) == ("glands", "necrosis")
    assert stated_findings("Large  nuclei. no mitoses!\nA gland? Large nuclei.") == ("Large nuclei", "A gland")
    assert stated_findings(" \n. ") == ()
    assert len(stated_findings(shows([f"finding {number}" for number in range(100)]))) == MAX_FINDINGS


def test_alignment_is_the_mean_similarity_of_what_is_stated(term):
    shown, absent = sorted(SAMPLE.findings.shown), sorted(SAMPLE.findings.absent)
    full = 1 / math.sqrt(len(shown))
    for true, false in [(1, 0), (3, 0), (2, 2), (0, 2)]:
        said = shows([*shown[:true], *absent[:false]])
        assert term(completion(SAMPLE, said)).value == pytest.approx(full * true / (true + false), abs=1e-6)


def test_true_findings_fit_better_than_a_misread_one(term):
    for sample in SAMPLES:
        wrong = honest_wrong(sample)
        if wrong is not None:
            assert term(wrong).value < term(reference(sample)).value


@pytest.mark.parametrize("text", ["", "<think></think><answer>A</answer>", "<think> . </think>", "x" * 64_001])
def test_nothing_stated_is_nothing_that_fits(term, text):
    assert term(Completion(SAMPLE, text, FinishReason.STOP, 1)).value == 0.0
    assert len("x" * 64_001) > MAX_SCORED_CHARACTERS


def test_to_repeat_a_finding_that_fits_does_not_raise_the_mean(term):
    shown, absent = min(SAMPLE.findings.shown), min(SAMPLE.findings.absent)
    once = term(completion(SAMPLE, shows([shown, absent]))).value
    assert term(completion(SAMPLE, shows([*[shown] * 50, absent]))).value == once


def test_every_picture_is_encoded_once_however_often_it_is_asked_about(term):
    both = [reference(sample) for sample in SAMPLES[:2] for _ in range(3)]
    first = term.score_all(both)
    assert term.score_all(both) == first
    assert [term(each) for each in both] == first
    assert term.encoder.encoded_images == len({sample.image_id for sample in SAMPLES[:2]})


def test_a_finding_counts_as_shown_where_one_of_several_pictures_shows_it(term):
    other = next(sample for sample in SAMPLES if sample.findings.shown - SAMPLE.findings.shown)
    said = shows([min(other.findings.shown - SAMPLE.findings.shown)])
    both = replace(SAMPLE, images=(*SAMPLE.images, *other.images), image_id="both")
    assert term(completion(SAMPLE, said)).value == 0.0
    assert term(completion(both, said)).value == term(completion(other, said)).value > 0
    assert term(completion(replace(both, images=both.images[::-1], image_id="turned"), said)).value > 0


def test_scores_stand_in_the_order_of_their_completions_beside_those_that_state_nothing(term):
    asked = [reference(SAMPLE), completion(SAMPLE, ""), reference(SAMPLES[2])]
    assert term.score_all(asked) == [term(each) for each in asked]
    assert term.score_all(asked)[1].value == 0.0
    assert read(SAMPLE.rationale).seen
    assert term.score_all([]) == []
