from dataclasses import replace

import numpy as np
import pytest
import written_completions
from hypothesis import given, settings
from hypothesis.strategies import text
from written_completions import (
    CONTRACT,
    FLAWLESS,
    all_samples,
    completion,
    exploits,
    honest_wrong,
    phantom_samples,
    reference,
    smear_samples,
)

from pathvlm_r1.data.phantom import ONTOLOGIES
from pathvlm_r1.data.rationale import concludes, excludes, means, read, shows
from pathvlm_r1.reward import Completion, FinishReason, OracleJudge, process_score

SAMPLES = all_samples()
HONEST_WRONG = 0.8
DIAGNOSIS = next(sample for sample in SAMPLES if sample.question_type == "diagnosis")


def events_of(judged):
    return written_completions.events_of(OracleJudge(CONTRACT), judged)


def score(judged):
    return round(process_score(events_of(judged), 0.4), 6)


def test_every_complete_reference_scores_exactly_one():
    assert {(sample.dataset, sample.question_type) for sample in SAMPLES} >= {
        *((f"phantom_{modality}", kind) for modality in ONTOLOGIES for kind in ("finding", "diagnosis")),
        ("phantom_histology", "grade"),
        ("phantom_histology", "marker"),
        ("bccd", "platelets"),
        ("bccd", "comparison"),
    }
    assert all(process_score(events_of(reference(sample)), 0.4) == 1.0 for sample in SAMPLES)


def test_an_honest_wrong_argument_has_the_definition_error_and_no_other_event():
    written = {sample.sample_id: honest_wrong(sample) for sample in SAMPLES}
    wrong = [each for each in written.values() if each is not None]
    assert {each.sample.question_type for each in wrong} == {sample.question_type for sample in SAMPLES}
    assert all(CONTRACT.parse(each.text, each.sample.options).answer != each.sample.answer for each in wrong)
    assert all(events_of(each) == replace(FLAWLESS, definition_error=True) for each in wrong)
    assert {score(each) for each in wrong} == {HONEST_WRONG}


@pytest.mark.parametrize("samples", [phantom_samples("histology"), phantom_samples("ct"), smear_samples()])
def test_every_exploit_scores_below_the_reference_and_below_the_honest_wrong(samples):
    for sample in samples:
        scores = {name: score(exploit) for name, exploit in exploits(sample).items()}
        assert max(scores.values()) < HONEST_WRONG, (sample.sample_id, scores)


@pytest.mark.medium
def test_another_samples_reasoning_scores_below_the_honest_wrong_and_its_whole_completion_below_the_reference():
    random = np.random.default_rng(0)
    for sample in SAMPLES:
        for other in (SAMPLES[index] for index in random.integers(len(SAMPLES), size=20)):
            if read(other.rationale).concluded != read(sample.rationale).concluded:
                assert score(completion(sample, other.rationale)) < HONEST_WRONG
                assert score(replace(reference(other), sample=sample)) < 1.0


def test_a_step_left_out_is_missing_and_nothing_else_is():
    sample = DIAGNOSIS
    sentences = sample.rationale.split(". ")
    without_fact = completion(sample, ". ".join(s for s in sentences if " means " not in s))
    without_exclusion = completion(sample, ". ".join(s for s in sentences if " excluded " not in s))
    without_findings = completion(sample, ". ".join(s for s in sentences if " shows " not in s))
    assert events_of(without_fact) == replace(FLAWLESS, medical_knowledge_support=False)
    assert events_of(without_exclusion) == replace(FLAWLESS, option_elimination=False)
    unseen = replace(FLAWLESS, image_feature_analysis=False, option_elimination=False)
    assert events_of(without_findings) == unseen  # a reason that was never seen eliminates nothing


def test_a_wrong_definition_is_an_incorrect_criterion_and_supports_nothing_but_the_order_of_its_list_is_free():
    sample = DIAGNOSIS
    (subject, definition), *_ = read(sample.rationale).cited
    first, second, third = definition.replace(" and ", ", ").split(", ")
    reordered = sample.rationale.replace(means(subject, definition), means(subject, f"{third}, {first} and {second}"))
    wrong = sample.rationale.replace(means(subject, definition), means(subject, f"{first} and {second}"))
    both = f"{sample.rationale} {means(subject, first)}"
    assert events_of(completion(sample, reordered)) == FLAWLESS
    expected = replace(FLAWLESS, medical_knowledge_support=False, incorrect_criterion=True)
    assert events_of(completion(sample, wrong)) == events_of(completion(sample, both)) == expected


def test_a_reason_that_does_not_rule_the_option_out_is_an_incorrect_criterion():
    sample = DIAGNOSIS
    ((option, _), *_), facts = read(sample.rationale).excluded, sample.findings.options
    harmless = next(p for p in sample.findings.shown if p not in facts[sample.options.index(option)].excluded_by)
    assert events_of(completion(sample, f"{sample.rationale} {excludes(option, harmless)}")).incorrect_criterion


def test_facts_about_an_excluded_option_or_a_seen_finding_are_part_of_the_argument():
    sample = DIAGNOSIS
    (option, _), *_ = read(sample.rationale).excluded
    cited = means(option, sample.findings.knowledge[option])
    assert events_of(completion(sample, f"{cited} {sample.rationale}")) == FLAWLESS


def test_free_text_and_unknown_phrases_earn_nothing_and_break_nothing():
    sample = DIAGNOSIS
    free = f"This is a difficult slide. The image shows a scale bar. Colour means little. {sample.rationale} Done."
    assert events_of(completion(sample, free)) == FLAWLESS
    assert events_of(completion(sample, sample.rationale.upper())) == FLAWLESS


def test_incompatible_findings_are_a_contradiction_and_an_error_and_count_for_no_step():
    every_phrase = shows(sorted(DIAGNOSIS.findings.shown | DIAGNOSIS.findings.absent))
    hedged = events_of(completion(DIAGNOSIS, f"{every_phrase} {DIAGNOSIS.rationale}"))
    assert (hedged.image_feature_analysis, hedged.option_elimination) == (False, False)
    assert (hedged.definition_error, hedged.logical_contradiction) == (True, True)


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_true_findings_chosen_around_what_rules_the_answer_out_are_no_analysis_and_eliminate_nothing(modality):
    """Silence about a finding in doubt would else be paid like reading it."""
    for sample in phantom_samples(modality):
        for letter, facts in zip(sample.letters, sample.findings.options, strict=True):
            seen = [phrase for phrase in read(sample.rationale).seen if phrase not in facts.excluded_by]
            if letter == sample.answer or sample.question_type != "diagnosis" or not seen:
                continue
            cited = " ".join(means(subject, sample.findings.knowledge[subject]) for subject in facts.subjects)
            named = zip(sample.options, sample.findings.options, strict=True)
            out = [excludes(option, p) for option, other in named for p in seen if p in other.excluded_by]
            events = events_of(
                completion(sample, " ".join([shows(seen), cited, *out, concludes(sample.option(letter))]), letter)
            )
            assert (events.missing, events.errors) == (2, 0)


def test_a_right_answer_too_is_read_from_the_image_only_with_every_feature_that_decides_it():
    *others, deciding = read(DIAGNOSIS.rationale).seen
    facts = DIAGNOSIS.findings.options[DIAGNOSIS.letters.index(DIAGNOSIS.answer)]
    (group,) = (group for group in DIAGNOSIS.findings.exclusive if deciding in group)
    assert group & facts.excluded_by
    events = events_of(completion(DIAGNOSIS, DIAGNOSIS.rationale.replace(shows([*others, deciding]), shows(others))))
    assert events == replace(FLAWLESS, image_feature_analysis=False, option_elimination=False)


def test_findings_in_every_order_are_a_recital_though_no_sentence_stands_twice():
    first, second, third = read(DIAGNOSIS.rationale).seen
    orders = [shows([second, first, third]), shows([third, second, first])]
    assert events_of(completion(DIAGNOSIS, f"{orders[0]} {DIAGNOSIS.rationale}")) == FLAWLESS
    assert events_of(completion(DIAGNOSIS, f"{' '.join(orders)} {DIAGNOSIS.rationale}")).missing == 3


def test_what_is_claimed_and_denied_contradicts_itself():
    said = read(DIAGNOSIS.rationale)
    (option, reason), (subject, definition) = said.excluded[0], said.cited[0]
    for denial in (
        f"The image shows no {said.seen[0]}.",
        f"The image does not show {said.seen[0]}.",
        f"Here {option} is not excluded by {reason}.",
        f"By definition {subject} does not mean {definition}.",
    ):
        assert events_of(completion(DIAGNOSIS, f"{DIAGNOSIS.rationale} {denial}")).logical_contradiction, denial


def test_to_deny_what_the_image_shows_is_a_definition_error_and_to_deny_what_it_does_not_is_none():
    unsaid = min(DIAGNOSIS.findings.shown - set(read(DIAGNOSIS.rationale).seen))
    false, true = (
        events_of(completion(DIAGNOSIS, f"{DIAGNOSIS.rationale} The image shows no {phrase}."))
        for phrase in (unsaid, min(DIAGNOSIS.findings.absent))
    )
    assert false == replace(FLAWLESS, definition_error=True)
    assert true == FLAWLESS


def test_a_reason_that_the_image_does_not_show_is_a_definition_error_though_it_was_never_stated_as_seen():
    (option, _), *_ = read(DIAGNOSIS.rationale).excluded
    events = events_of(completion(DIAGNOSIS, excludes(option, min(DIAGNOSIS.findings.absent))))
    assert (events.definition_error, events.option_elimination) == (True, False)


def test_an_argument_about_options_that_the_question_does_not_have_has_no_step():
    foreign = next(name for name in DIAGNOSIS.findings.knowledge if name not in DIAGNOSIS.options)
    reason = read(DIAGNOSIS.rationale).seen[0]
    events = events_of(completion(DIAGNOSIS, f"{DIAGNOSIS.rationale} {excludes(foreign, reason)}"))
    assert (events.missing, events.errors) == (3, 0)


def test_only_the_think_block_is_read_or_else_what_stands_before_the_answer():
    sample = DIAGNOSIS
    outside = f"{sample.rationale}<think></think>{sample.rationale}<answer>{sample.answer}</answer>{sample.rationale}"
    untagged = f"{sample.rationale}<answer>{sample.answer}</answer> {concludes('melanoma')}"
    unclosed = f"<think>{sample.rationale.removesuffix('.')}<answer>{sample.answer}</answer>"
    assert events_of(Completion(sample, outside, FinishReason.STOP, 1)) == events_of(completion(sample, ""))
    assert events_of(Completion(sample, untagged, FinishReason.STOP, 1)) == FLAWLESS
    assert events_of(Completion(sample, unclosed, FinishReason.LENGTH, 1)) == FLAWLESS


def test_reasoning_without_an_answer_supports_none():
    sample = DIAGNOSIS
    cut = Completion(sample, f"<think>{sample.rationale}", FinishReason.LENGTH, 1)
    assert events_of(cut) == replace(FLAWLESS, option_elimination=False, medical_knowledge_support=False)


def test_a_sample_without_a_findings_table_has_no_verdict():
    (verdict,) = OracleJudge(CONTRACT)([reference(replace(DIAGNOSIS, findings=None))])
    assert verdict.events is None


@settings(deadline=None, max_examples=60)
@given(reasoning=text())
def test_any_string_has_a_verdict_and_always_the_same(reasoning):
    judged = completion(DIAGNOSIS, reasoning)
    assert events_of(judged) == events_of(judged)
