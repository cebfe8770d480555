from dataclasses import replace

import pytest
from written_completions import CONTRACT, completion, phantom_samples, reference
from wrong_rewards import FirstLetterContract

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.reward import (
    Completion,
    CrossModalProcess,
    FinishReason,
    Format,
    OracleJudge,
    OutcomeAccuracy,
    Provenance,
    Score,
    Verdict,
)

SAMPLE = phantom_samples("ct", 2)[1]
WRONG_LETTER = next(letter for letter in SAMPLE.letters if letter != SAMPLE.answer)
LISTED = ", ".join(f'"Option {letter}": "{SAMPLE.option(letter)}"' for letter in SAMPLE.letters)
ACCURACY = OutcomeAccuracy(CONTRACT, letter_and_text=False)


class SilentJudge:
    """Has no verdict, and keeps what it was asked about."""

    name = "silent"

    def __init__(self):
        self.asked = []

    def __call__(self, completions):
        self.asked.append([completion.text for completion in completions])
        return [Verdict(None, "silent", Provenance(judge=self.name)) for _ in completions]


def written(text):
    return Completion(SAMPLE, text, FinishReason.STOP, 1)


def assert_a_list_of_options_is_no_answer(contract):
    sample = replace(SAMPLE, answer="A")
    listed = Completion(sample, f"<think>x</think><answer>{{{LISTED}}}</answer>", FinishReason.STOP, 1)
    assert OutcomeAccuracy(contract, letter_and_text=False)(listed).value == 0.0


def test_accuracy_is_one_for_the_reference_answer_and_zero_for_every_other():
    assert ACCURACY(completion(SAMPLE, "", SAMPLE.answer)).value == 1.0
    assert ACCURACY(completion(SAMPLE, "", SAMPLE.answer.lower())).value == 1.0
    assert ACCURACY(completion(SAMPLE, "", WRONG_LETTER)).value == 0.0
    assert [ACCURACY(written(text)).value for text in ("", "no answer", "<answer></answer>")] == [0.0, 0.0, 0.0]


def test_strict_accuracy_asks_for_the_letter_together_with_its_text():
    strict = OutcomeAccuracy(CONTRACT, letter_and_text=True)
    right = SAMPLE.option(SAMPLE.answer)
    assert strict(completion(SAMPLE, "", f"{SAMPLE.answer}) {right}")).value == 1.0
    assert strict(completion(SAMPLE, "", SAMPLE.answer)).value == 0.0
    assert strict(completion(SAMPLE, "", f"{SAMPLE.answer}) {SAMPLE.option(WRONG_LETTER)}")).value == 0.0
    assert strict(completion(SAMPLE, "", f"{WRONG_LETTER}) {SAMPLE.option(WRONG_LETTER)}")).value == 0.0


def test_an_answer_block_that_lists_the_options_is_wrong():
    assert_a_list_of_options_is_no_answer(CONTRACT)


def test_a_parser_that_credits_listed_options_is_caught():
    with pytest.raises(AssertionError):
        assert_a_list_of_options_is_no_answer(FirstLetterContract())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think><answer>A</answer>", 1.0),
        ("\n<think>a</think>\n <answer>A</answer>\n", 1.0),
        ("<think></think><answer>anything</answer>", 1.0),
        ("<answer>A</answer><think>a</think>", 0.0),
        ("<think>a</think><think>b</think><answer>A</answer>", 0.0),
        ("<think>a</think><answer>A</answer><answer>A</answer>", 0.0),
        ("Sure! <think>a</think><answer>A</answer>", 0.0),
        ("<think>a</think> so <answer>A</answer>", 0.0),
        ("<think>a</think><answer>A</answer> Thanks.", 0.0),
        ("<think>a<answer>A</answer>", 0.0),
        ("A", 0.0),
    ],
)
def test_format_is_one_only_for_the_tags_in_order_once_and_outermost(text, expected):
    assert Format(CONTRACT)(written(text)).value == expected


def test_process_is_the_rubrics_number_and_keeps_the_events():
    score = CrossModalProcess(OracleJudge(CONTRACT), coefficient=0.4)(completion(SAMPLE, ""))
    assert score.value == 0.5
    assert (score.events.missing, score.events.errors) == (3, 0)
    assert CrossModalProcess(OracleJudge(CONTRACT), coefficient=0.3)(completion(SAMPLE, "")).value == pytest.approx(
        0.55
    )


def test_a_judge_without_a_verdict_gives_none_and_not_zero_or_half():
    score = CrossModalProcess(SilentJudge(), coefficient=0.4)(reference(SAMPLE))
    assert (score.value, score.events, score.reason) == (None, None, "no verdict: silent")


def test_many_completions_are_one_batch_for_the_judge_without_those_that_are_not_scored():
    judge, long = SilentJudge(), "x" * (MAX_SCORED_CHARACTERS + 1)
    scores = CrossModalProcess(judge, coefficient=0.4).score_all([written(text) for text in ("a", long, "b")])
    assert judge.asked == [["a", "b"]]
    assert [score.value for score in scores] == [None, 0.0, None]


def test_scores_of_a_batch_stand_in_the_order_of_its_completions():
    process = CrossModalProcess(OracleJudge(CONTRACT), coefficient=0.4)
    texts = [completion(SAMPLE, SAMPLE.rationale if index % 3 == 0 else "") for index in range(7)]
    assert process.score_all(texts) == [process(text) for text in texts]
    assert [score.value for score in process.score_all(texts)] == [1.0, 0.5, 0.5, 1.0, 0.5, 0.5, 1.0]


def test_a_judge_that_loses_a_verdict_is_refused():
    class Forgetful(SilentJudge):
        def __call__(self, completions):
            return super().__call__(completions)[1:]

    with pytest.raises(ValueError, match="silent gave 1 verdicts on 2 completions"):
        CrossModalProcess(Forgetful(), coefficient=0.4).score_all([written("a"), written("b")])


def test_a_text_too_long_to_score_gets_zero_in_every_term_without_a_judge():
    right = reference(SAMPLE)
    longest = replace(right, text=right.text + " " * (MAX_SCORED_CHARACTERS - len(right.text)))
    judge = SilentJudge()
    terms = [ACCURACY, Format(CONTRACT), CrossModalProcess(judge, coefficient=0.4)]
    assert [term(longest).value for term in terms[:2]] == [1.0, 1.0]
    assert [term(replace(right, text=longest.text + " ")).value for term in terms] == [0.0, 0.0, 0.0]
    assert judge.asked == []


def test_a_term_has_the_name_of_its_configuration_key():
    process = CrossModalProcess(OracleJudge(CONTRACT), coefficient=0.4)
    assert [term.name for term in (ACCURACY, Format(CONTRACT), process)] == ["accuracy", "format", "process"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_finite_or_none(value):
    with pytest.raises(ValueError, match="finite"):
        Score(value, "broken")
