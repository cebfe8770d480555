import re
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis.strategies import lists, sampled_from, text

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS, Contract, Parsed
from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomSource
from pathvlm_r1.data.rationale import Style

CONTRACT = Contract()
OPTIONS = ("glands", "B-cell nests", "a < b", "sheets. Of cells")
PIECES = [
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
    "A",
    " B",
    "(C)",
    "D)",
    "glands",
    ".",
    "\n",
    '"',
    "{",
    "<",
    "ß",
]
STYLES = {style.value: 1 / 3 for style in Style}
HOSTILE = [
    "<answer>",
    "<answer>A",
    "<think></think>",
    "(A ",
    " ",
    "A)",
    "A ",
    "</answer><answer>",
    "<",
    "B-",
    "(((",
    "A\n",
]


def answer(block, options=OPTIONS):
    return CONTRACT.parse(f"<think>x</think><answer>{block}</answer>", options).answer


def seconds(parse, text):
    """Processor time of a parse, the least of several."""
    timings = []
    for _ in range(4):
        start = time.process_time()
        parse(text, OPTIONS)
        timings.append(time.process_time() - start)
    return min(timings)


def assert_work_grows_linearly(parse):
    for piece in HOSTILE:
        short, long = (piece * (size // len(piece)) for size in (4_000, 16_000))  # two doublings
        ratios = (seconds(parse, long) / max(seconds(parse, short), 5e-5) for _ in range(2))  # below 50 us is noise
        assert any(ratio <= 2.5**2 for ratio in ratios), piece


def backtracking_parse(text, _options):
    return re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)


@pytest.mark.parametrize(
    "block", ["B", "b", " B ", "\nB\n", "B.", "(B)", "B)", "[B]", "B:", "(b).", "B) B-cell nests", "b: b-cell  NESTS."]
)
def test_one_letter_is_read_with_or_without_delimiters_and_its_own_text(block):
    assert answer(block) == "B"


@pytest.mark.parametrize(
    "block",
    [
        "", " ", "E", "AB", "A B", "A, B", "A or B", "A and B", "A/B", "A) B-cell nests", "B) glands", "glands",
        "not A", "A because of the glands", "B is excluded, so A", "Option A", "{}",
        '{"A": "glands", "B": "B-cell nests"}', '["A", "B", "C", "D"]', "Option A: glands, Option B: nests",
        "A) glands B) B-cell nests", "1", "<think>A",
    ],
)  # fmt: skip
def test_a_block_with_anything_else_has_no_answer(block):
    assert answer(block) is None


def test_only_a_letter_with_its_own_text_states_the_text():
    for block, states in (
        ("A", False),
        ("A) glands", True),
        ("a GLANDS", True),
        ("C) a < b", True),
        ("A) nests", False),
    ):
        assert CONTRACT.parse(f"<answer>{block}</answer>", OPTIONS).states_text is states


def test_letters_beyond_the_options_are_no_answers():
    assert answer("C", OPTIONS[:2]) is None
    assert answer("B", OPTIONS[:2]) == "B"


def test_a_letter_of_another_alphabet_is_none_though_its_capital_is_latin():
    nine = tuple("abcdefghi")
    assert [answer(block, nine) for block in ("I", "i", "\u0131")] == ["I", "I", None]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<answer>A</answer><answer>A</answer>", "A"),
        ("<answer>A</answer><answer>A) glands</answer>", "A"),
        ("<answer>A</answer><answer>B</answer>", None),
        ("<answer>A</answer><answer>A or <b></answer>", None),
        ("<answer>A</answer><answer>B", None),
        ("<answer><answer>A</answer>", None),
        ("<answer>A", None),
        ("<think>so A</think>", None),
        ("<think>so A", None),
        ("A</answer>", None),
    ],
)
def test_several_blocks_must_agree_and_every_block_must_close(written, expected):
    assert CONTRACT.parse(written, OPTIONS).answer == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("B", "B"), ("The answer is B.", "B"), ("so (C)", "C"), ("D)\n", "D"), ("It is a B-cell tumour: A", "A"),
        ("A or B", None), ("A/B, so B", None), ("A ring of cells, so B", None), ("so b", None), ("so E", None),
        ("grade B tumour", None), ("", None), ("   ", None), ('{"A": "glands", "B": "nests"} B', None),
        ("A) glands\nB) nests\nC) x\nD", None), ("vitaminB", None), ("both A- and B", None), ("-A\n B", None),
    ],
)  # fmt: skip
def test_without_a_tag_a_single_final_letter_is_the_answer(written, expected):
    assert CONTRACT.parse(written, OPTIONS) == Parsed(expected, states_text=False, is_formatted=False)


@settings(deadline=None, max_examples=200)
@given(written=text() | lists(sampled_from(PIECES), max_size=12).map("".join))
def test_any_string_is_read_and_an_answer_is_one_of_the_letters(written):
    parsed = CONTRACT.parse(written, OPTIONS)
    assert parsed.answer is None or parsed.answer in "ABCD"
    assert parsed.answer is not None or not parsed.states_text


def test_a_text_over_the_limit_is_not_read_and_one_at_the_limit_is():
    longest = "<think></think><answer>A</answer>".rjust(MAX_SCORED_CHARACTERS)
    assert CONTRACT.parse(longest, OPTIONS) == Parsed("A", states_text=False, is_formatted=True)
    assert CONTRACT.parse(longest + " ", OPTIONS) == Parsed(None, states_text=False, is_formatted=False)


def test_the_work_of_the_parser_grows_linearly():
    assert_work_grows_linearly(CONTRACT.parse)


@pytest.mark.medium
def test_a_backtracking_parser_is_caught():
    with pytest.raises(AssertionError):
        assert_work_grows_linearly(backtracking_parse)


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_a_reference_completion_keeps_the_form_and_gives_the_reference_answer(modality):
    for sample in PhantomSource(f"phantom_{modality}", modality, 3, 112, STYLES).samples("sft", 24):
        parsed = CONTRACT.parse(CONTRACT.target(sample), sample.options)
        assert parsed == Parsed(sample.answer, states_text=False, is_formatted=True)


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_the_prompt_asks_for_the_rewarded_form_and_for_no_other(modality):
    sample = PhantomSource(f"phantom_{modality}", modality, 3, 112, STYLES).sample("sft", 0)
    prompt = CONTRACT.prompt(sample)
    assert [prompt.count(tag) for tag in ("<think>", "</think>", "<answer>", "</answer>")] == [1, 1, 1, 1]
    assert all(f"{letter}) {sample.option(letter)}" in prompt for letter in sample.letters)
    assert not re.search(r"json|[{}\[\]]|bounding|bbox|yes or no", prompt, re.IGNORECASE)


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_a_copied_prompt_is_neither_an_answer_nor_formatted(modality):
    sample = PhantomSource(f"phantom_{modality}", modality, 3, 112, STYLES).sample("sft", 0)
    expected = Parsed(None, states_text=False, is_formatted=False)
    assert CONTRACT.parse(CONTRACT.prompt(sample), sample.options) == expected
    assert CONTRACT.parse(f"<think>{CONTRACT.prompt(sample)}</think><answer>A</answer>", sample.options) == expected


def test_an_open_question_shows_no_option_and_is_answered_by_its_text_alone():
    sample = replace(PhantomSource("p", "ct", 0, 56, STYLES).samples("rl", 1)[0], options=("a dense mass",), answer="A")
    prompt = CONTRACT.prompt(sample)
    assert "mass" not in prompt
    assert "Options" not in prompt
    assert "in a few words between <answer> and </answer>" in prompt
    assert CONTRACT.target(sample).endswith("<answer>a dense mass</answer>")
    assert CONTRACT.parse(CONTRACT.target(sample), sample.options) == Parsed("A", states_text=True, is_formatted=True)
    for block in ("A", "a", "A) a dense mass", "dense mass", ""):
        assert answer(block, sample.options) is None
    assert CONTRACT.parse("The answer is A", sample.options).answer is None
