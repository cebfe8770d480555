"""The language of rationales: what is written is read, anything can be read, and references tell the truth."""

import re
import sys
from collections import Counter

import pytest
from configured_phantoms import CONFIGURED, source, split
from hypothesis import example, given
from hypothesis.strategies import lists, sampled_from, text, tuples
from scipy import stats

from pathvlm_r1.data.phantom import ONTOLOGIES
from pathvlm_r1.data.rationale import Argument, Reading, Style, excludes, join, means, read, read_denials, write

GRAMMAR = {"and", "means", "is", "the", "this", "here", "by"}  # words that hold the sentences together
words = text("abdnsé4-", min_size=1, max_size=5).filter(lambda word: word not in GRAMMAR)
phrases = lists(words | sampled_from(["image", "shows", "definition", "excluded"]), min_size=1, max_size=2).map(
    " ".join
)
arguments = tuples(
    lists(phrases, min_size=1, max_size=4, unique=True),
    lists(tuples(phrases, phrases), max_size=2, unique=True),
    lists(tuples(phrases, phrases), max_size=2, unique=True),
    phrases,
).map(lambda parts: Argument(tuple(parts[0]), tuple(parts[1]), tuple(parts[2]), parts[3]))
pieces = ["The image shows ", "By definition ", " means ", "Here ", " is excluded by ", "This is ", ", ", " and ", "."]
noise = lists(sampled_from([*pieces, "x", "glands", " ", "\n", "<think>", "İ", ""]), max_size=30).map("".join)


def style_of(said):
    """The style of a rationale, from what it says."""
    has = (bool(said.seen), bool(said.cited), bool(said.excluded), bool(said.concluded))
    forms = {(False, False, False, True): "terse", (True, False, False, True): "partial", (True,) * 4: "complete"}
    return forms[has]


def calls_of(function, *given):
    """How many functions are called in the course of a call."""
    count = 0

    def counted(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        function(*given)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.medium
@given(argument=arguments, style=sampled_from(list(Style)))
def test_what_is_written_in_a_style_is_read_back(argument, style):
    full = style is Style.COMPLETE
    assert read(write(argument, style)) == Reading(
        seen=() if style is Style.TERSE else argument.seen,
        cited=argument.cited if full else (),
        excluded=argument.excluded if full else (),
        concluded=(argument.conclusion,),
    )


def denied(argument):
    """Every sentence of a complete argument but its conclusion, denied by its verb."""
    return (
        write(argument, Style.COMPLETE)
        .replace("The image shows ", "The image does not show ")
        .replace(" means ", " does not mean ")
        .replace(" is excluded by ", " is not excluded by ")
        .removesuffix(f" This is {argument.conclusion}.")
    )


@pytest.mark.medium
@given(argument=arguments)
def test_a_denied_sentence_is_read_as_a_denial_and_never_as_a_claim(argument):
    expected = Reading(argument.seen, argument.cited, argument.excluded, ())
    assert read_denials(denied(argument)) == expected
    assert read_denials(write(argument, Style.COMPLETE)) == Reading((), (), (), ())
    claimed = read(denied(argument))
    assert not {*claimed.seen, *claimed.cited, *claimed.excluded} & {
        *expected.seen,
        *expected.cited,
        *expected.excluded,
    }


def test_a_finding_is_denied_by_its_no_and_the_others_of_its_list_are_not():
    assert read_denials("The image shows glands, no nests and no sheets.").seen == ("nests", "sheets")


@pytest.mark.medium
@given(argument=arguments)
def test_case_line_breaks_and_repetition_change_nothing(argument):
    written = write(argument, Style.COMPLETE)
    spread = re.sub(" ", " \n\t", written.upper().replace("É", "é"))
    assert read(spread) == read(written)
    assert read(f"{written} {written}") == read(written)


@pytest.mark.medium
@given(argument=arguments)
def test_free_text_between_the_sentences_is_not_a_claim(argument):
    written = write(argument, Style.COMPLETE)
    assert read(f"Let me see. {written} So far, so good") == read(written)


@given(said=text(max_size=200) | noise)
@example(said="The image shows . This is . By definition  means . Here  is excluded by .")
@example(said="")
def test_any_text_is_read_and_nothing_is_made_up(said):
    reading = read(said)
    plain = " ".join(said.lower().split())
    claims = [*reading.seen, *reading.concluded, *(part for pair in reading.cited + reading.excluded for part in pair)]
    assert all(claim in plain for claim in claims)
    assert not [claim for claim in claims if "." in claim]


@pytest.mark.parametrize(
    "repeated",
    [
        "The image shows x. ",
        "The image shows " + "x, y and z, " * 20,
        "By definition ",
        " means ",
        "Here x is excluded by y. ",
        " and ",
        ", ",
        ".",
        " ",
        "the image shows ",
    ],
)
def test_the_work_of_reading_grows_in_step_with_the_text(repeated):
    for reader in (read, read_denials):
        short, long = (calls_of(reader, repeated * count) for count in (200, 400))
        assert long <= 2 * short + 20


def test_a_long_hostile_text_is_read():
    """Work that grew with the square of the length would not end here."""
    assert read("The image shows " + "a, b and " * 100_000).seen == ("a", "b", "b and")
    assert len(read("By definition" + " means" * 100_000).cited) == 1


@pytest.mark.medium
@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_reference_rationales_have_the_configured_shares_of_styles(modality):
    samples, shares = split(modality, "sft"), CONFIGURED[modality]["style_shares"]
    counted = Counter(style_of(read(sample.rationale)) for sample in samples)
    expected = [share * len(samples) for share in shares.values()]
    assert stats.chisquare([counted[style] for style in shares], expected).pvalue > 1e-4


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_a_complete_rationale_tells_the_truth_and_reaches_the_answer(modality):
    for sample in source(modality, style_shares={"complete": 1.0}).samples("rl", 120):
        said, table = read(sample.rationale), sample.findings
        lowered = {subject.lower(): meaning.lower() for subject, meaning in table.knowledge.items()}
        facts = {o.lower(): f for o, f in zip(sample.options, table.options, strict=True)}
        right = sample.option(sample.answer).lower()
        assert set(said.seen) <= table.shown
        assert set(said.seen) <= table.relevant
        assert all(lowered[subject] == meaning for subject, meaning in said.cited)
        assert [subject for subject, _ in said.cited] == [subject.lower() for subject in facts[right].subjects]
        assert all(reason in facts[option].excluded_by & table.shown for option, reason in said.excluded)
        assert {reason for _, reason in said.excluded} <= set(said.seen)
        assert right not in [option for option, _ in said.excluded]
        assert said.concluded == (right,)


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_the_style_changes_nothing_but_how_much_is_said(modality):
    terse, complete = (source(modality, style_shares={style: 1.0}) for style in ("terse", "complete"))
    for index in range(8):
        short, long = terse.sample("sft", index), complete.sample("sft", index)
        assert long.rationale.endswith(short.rationale)
        assert (short.question, short.options, short.answer, short.findings) == (
            long.question, long.options, long.answer, long.findings,
        )  # fmt: skip
        assert short.images == long.images


def test_an_enumeration_is_english():
    assert [join(["a"]), join(["a", "b"]), join(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert means("x", "y and z") == "By definition x means y and z."
    assert excludes("x", "y") == "Here x is excluded by y."
