"""The bare letter: what the contract reads, and without the options never another letter than with them."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, text

from pathvlm_r1.contract import Contract, bare_letter

OPTIONS = ("Glands", "B-cell nests", "E. coli", "Cords", "a cell", "I", "Vitamin D", "x", "y")
PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "A", " B", "(C)", "D)", "E. coli", "Glands", "a cell", "I", ".",
    "\n", "z", "\0",
]  # fmt: skip
completions = lists(sampled_from(PIECES), max_size=12).map("".join) | text(max_size=40)
blocks = lists(sampled_from([*"ABCDEFGHIab ().:\n"]), max_size=4).map("".join)


def read(completion, count):
    """By the contract, with the options."""
    return Contract().parse(completion, OPTIONS[:count]).answer


@given(completion=completions, count=integers(2, len(OPTIONS)))
def test_with_the_options_it_is_what_the_contract_reads(completion, count):
    assert bare_letter(completion, OPTIONS[:count]) == read(completion, count)


@given(completion=completions, count=integers(2, len(OPTIONS)))
def test_without_the_options_it_is_never_another_letter_than_with_them(completion, count):
    letter, ours = bare_letter(completion), read(completion, count)
    assert ours is None or letter in (ours, None)


@given(thought=text("abcB. ", max_size=20), block=blocks, count=integers(2, len(OPTIONS)))
def test_a_letter_alone_in_its_tags_needs_no_options(thought, block, count):
    completion = f"<think>{thought}</think><answer>{block}</answer>"
    ours = read(completion, count)
    if ours is not None and len(block.strip(" ().:\n")) == 1:
        assert bare_letter(completion) == ours


@pytest.mark.parametrize(
    ("completion", "letter"),
    [
        ("<think>Nests.</think><answer>B</answer>", "B"), ("<answer>(b).</answer>", "B"), ("The answer is B", "B"),
        ("<answer>E. coli</answer>", None), ("<answer>A cell</answer>", None), ("<answer>A or B</answer>", None),
        ("<answer>A</answer><answer>B</answer>", None), ("Glands", None), ("", None),
    ],
)  # fmt: skip
def test_a_letter_counts_by_itself_and_a_text_that_begins_like_one_does_not(completion, letter):
    assert bare_letter(completion) == letter


def test_an_open_answer_has_no_letter_but_its_own_text():
    assert bare_letter("<answer>left lung</answer>", ["left lung"]) == "A"
    assert bare_letter("<answer>A</answer>", ["left lung"]) is None
