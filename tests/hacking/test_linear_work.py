"""No text makes a parser, a term or a judge work more than in step with its length."""

from itertools import count, repeat

import pytest
from catalogue import EXPLOITS
from exploit import Attempt
from field_terms import field_terms
from gaming import DUAL
from work import Growth, assert_calls_are_linear, assert_time_is_linear, repeated_to
from written_completions import CONTRACT, open_question, phantom_samples
from wrong_gaming import united

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.data.rationale import read, read_denials
from pathvlm_r1.reward import Completion, FinishReason, OracleJudge, concluded
from pathvlm_r1.reward.judges import RulesJudge

SAMPLE = phantom_samples("histology", 2)[1]
ATTEMPT = Attempt(SAMPLE, SAMPLE.answer, states_text=True)
JUDGE, RULES = OracleJudge(CONTRACT), RulesJudge()

OPTION, OTHER = SAMPLE.options[:2]
NUMBERED = {  # no piece is said twice, so that nothing is merged
    "findings": "The image shows finding {0}. ",
    "reasons of one option": f"Here {OPTION} is excluded by reason {{0}}. ",
    "excluded options": "Here option {0} is excluded by glands. ",
    "definitions of one subject": f"By definition {OPTION} means finding {{0}}. ",
    "subjects": "By definition subject {0} means glands. ",
    "conclusions": f"This is {OPTION} or {OTHER} {{0}}. ",
    "denials": "The image does not show finding {0}. The image shows no finding {0}. ",
    "links": f"{OPTION} because of finding {{0}}. ",
    "blocks": "<answer>{0}</answer>",
    "items": "finding {0}, ",
    "letters": "({0} A ",
    "answers": f"The answer is {OPTION}, not {OTHER} {{0}}, ",
    "cues": "therefore {0} this is not ",
}
PIECES = [
    "<answer>",
    "<answer>A",
    "<think></think>",
    "</answer><answer>",
    "(A ",
    "A) ",
    " ",
    "<",
    ".",
    " means ",
    "no no ",
    f"{OPTION} is ",
]
PIECES += [" is excluded by ", " does not show ", "The image shows ", " and ", ", ", "\x00", "\u0130", "A\n"]
NUMBERED_TEXTS = [
    lambda length, form=form: repeated_to(length, map(form.format, count())) for form in NUMBERED.values()
]
REPEATED_TEXTS = [lambda length, piece=piece: repeated_to(length, repeat(piece)) for piece in PIECES]
HOSTILE = dict(zip([*NUMBERED, *map(repr, PIECES)], [*NUMBERED_TEXTS, *REPEATED_TEXTS], strict=True))

CALLS = Growth(short=32_000, doublings=1)  # to the length that is scored; calls are exact, and one doubling tells
QUICK = Growth(short=2_000, doublings=5)  # to the same
LONG = Growth(short=15_625, doublings=6)  # to a megabyte; memory makes large texts dearer, so the way must be long


def completion_of(text):
    return Completion(SAMPLE, text, FinishReason.LENGTH, token_count=1)


def openly(text):
    return Completion(open_question(SAMPLE, OPTION), text, FinishReason.LENGTH, token_count=1)


FIELD = field_terms([SAMPLE])

READERS = {
    "terms of the field": lambda text: [score(ATTEMPT, text) for score in FIELD.values()],
    "terms of the field on a reasoning": lambda text: [
        score(ATTEMPT, f"<think>{text}</think><answer>{text}</answer>") for score in FIELD.values()
    ],
    "the conclusion": lambda text: concluded(text, SAMPLE.options),
    "contract": lambda text: CONTRACT.parse(text, SAMPLE.options),
    "claims": lambda text: (read(text), read_denials(text)),
    "judge": lambda text: JUDGE([completion_of(f"<think>{text}</think><answer>{SAMPLE.answer}</answer>")]),
    "judge of a bare text": lambda text: JUDGE([completion_of(text)]),
    "rules": lambda text: RULES([completion_of(f"<think>{text}</think><answer>{SAMPLE.answer}</answer>")]),
    "rules of a bare text": lambda text: RULES([completion_of(text)]),
    "rules of an open question": lambda text: RULES([openly(f"<think>{text}</think><answer>{text[:190]}</answer>")]),
    "reward": lambda text: DUAL(ATTEMPT, text),
    "flags": lambda text: (completion_of(text).is_looping, completion_of(text).is_empty),
}


def exploited(exploit):
    """A text of any length from one exploit."""
    written = exploit.write(ATTEMPT) or " "
    return lambda length: repeated_to(length, repeat(written))


def test_the_quick_lengths_are_scored_and_the_long_ones_reach_a_megabyte():
    assert CALLS.long == QUICK.long == MAX_SCORED_CHARACTERS
    assert LONG.long == 1_000_000
    assert LONG.allowed < 4**LONG.doublings / 10, "quadratic work is far beyond what is allowed"


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_calls_grow_in_step_with_a_hostile_text(reader):
    for text in HOSTILE.values():
        assert_calls_are_linear(reader, text, CALLS)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_time_grows_in_step_with_a_hostile_text(reader):
    for text in HOSTILE.values():
        assert_time_is_linear(reader, text, QUICK)


def test_a_judge_gathers_many_reasons_for_one_option_in_step_with_their_number():
    """A union per reason was quadratic, and only a long text shows it."""
    assert_time_is_linear(READERS["judge"], HOSTILE["reasons of one option"], LONG)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_time_grows_in_step_with_a_hostile_text_up_to_a_megabyte(reader):
    for text in HOSTILE.values():
        assert_time_is_linear(reader, text, LONG)


@pytest.mark.slow
@pytest.mark.parametrize("exploit", EXPLOITS, ids=lambda exploit: exploit.name)
def test_work_grows_in_step_with_an_exploit_up_to_a_megabyte(exploit):
    text = exploited(exploit)
    for reader in READERS.values():
        assert_calls_are_linear(reader, text, CALLS)
        assert_time_is_linear(reader, text, LONG)


def test_quadratic_work_is_caught_in_time_though_it_makes_few_calls():
    numbered = HOSTILE["items"]
    assert_calls_are_linear(united, numbered, CALLS)
    with pytest.raises(AssertionError, match="times the time"):
        assert_time_is_linear(united, numbered, QUICK)


def test_quadratic_calls_are_caught():
    with pytest.raises(AssertionError, match="calls"):
        assert_calls_are_linear(lambda text: [abs(at) for at in range(len(text) ** 2 // 100_000)], "x".__mul__, CALLS)
