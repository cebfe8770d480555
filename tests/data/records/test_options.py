"""Options in every shape that records have them in: read alike, never cut, or refused with the reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.records import RecordFault, parsed_options

TEXTS = ["Whorled", "Nested (see B) above)", "Both A and C", 'None of the "above"']
LETTERED = dict(zip("ABCD", TEXTS, strict=True))


@pytest.mark.parametrize(
    "shape",
    [
        TEXTS,
        [f"{letter}) {text}" for letter, text in LETTERED.items()],
        [f"({letter}) {text}" for letter, text in LETTERED.items()],
        [f"{letter}. {text}" for letter, text in LETTERED.items()],
        [f" {letter}:{text} " for letter, text in LETTERED.items()],  # PMC-VQA
        LETTERED,
        {letter.lower(): text for letter, text in LETTERED.items()},
        LETTERED | {"E": None},
        LETTERED | {"E": float("nan")},  # an empty cell of a table
        [{"letter": letter, "content": text} for letter, text in LETTERED.items()],  # MedXpertQA's repository
        json.dumps(TEXTS),
        json.dumps(LETTERED),
        str(TEXTS),
        ["Whorled", "Nested (see B)\n above)", "Both A  and C", 'None of the "above"'],
    ],
    ids=lambda shape: str(shape)[:40],
)
def test_every_shape_gives_the_same_texts(shape):
    assert parsed_options(shape) == tuple(TEXTS)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8),
        min_size=2, max_size=9, unique_by=lambda text: text.casefold().rstrip(". "),
    )
)  # fmt: skip
def test_a_lettered_list_is_never_cut_whatever_stands_in_it(texts):
    lettered = [f"{letter}) {text}" for letter, text in zip("ABCDEFGHI", texts, strict=False)]
    assert parsed_options(lettered) == tuple(texts)
    assert parsed_options(str(lettered)) == tuple(texts)


def wrong_cut(option: str) -> str:
    """As the official loader of PathMMU does it."""
    return option.split(")")[1].strip()


def test_a_cut_at_the_inner_bracket_is_caught():
    options = [f"{letter}) {text}" for letter, text in LETTERED.items()]
    assert tuple(map(wrong_cut, options)) != parsed_options(options)


def test_the_first_letter_of_a_name_is_not_an_enumeration():
    assert parsed_options(["A. fumigatus", "C. albicans", "M. mucedo"]) == ("A. fumigatus", "C. albicans", "M. mucedo")


def test_numbers_are_texts():
    assert parsed_options([1, 2.5]) == ("1", "2.5")


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ([], DefectKind.OPTIONS_MISSING, "0 options, and a choice needs at least 2"),
        (None, DefectKind.OPTIONS_MISSING, "0 options"),
        (["A) x"], DefectKind.OPTIONS_MISSING, "1 option, "),
        (list("qwertyuiop"), DefectKind.OPTIONS_UNREADABLE, "10 options, and there are letters for 9"),
        (["x", None], DefectKind.OPTIONS_UNREADABLE, "an option is None"),
        (["x", " "], DefectKind.OPTIONS_UNREADABLE, "an option is empty"),
        (["x", True], DefectKind.OPTIONS_UNREADABLE, "an option is True"),
        (["x", ["y"]], DefectKind.OPTIONS_UNREADABLE, "a text is needed"),
        ({"A": "x", "C": "y"}, DefectKind.OPTIONS_UNREADABLE, "from A on without a gap"),
        ({"first": "x", "second": "y"}, DefectKind.OPTIONS_UNREADABLE, "from A on without a gap"),
        (["A) x", "B) y", "z"], DefectKind.OPTIONS_UNREADABLE, "most options begin with their letter, and not 'z'"),
        ("x or y", DefectKind.OPTIONS_UNREADABLE, "'x or y', a list or an object of letters is expected"),
        ("[__import__('os'), 'b']", DefectKind.OPTIONS_UNREADABLE, "no list of quoted texts"),
        ("[" * 100_000, DefectKind.OPTIONS_UNREADABLE, "a list or an object"),
        (7, DefectKind.OPTIONS_UNREADABLE, "options are 7"),
        (["CT scan", "ct  scan. "], DefectKind.OPTIONS_ALIKE, "options A and B are both 'ct scan.': not scored"),
    ],
)  # fmt: skip
def test_what_has_no_one_reading_is_refused_with_the_reason(value, kind, message):
    with pytest.raises(RecordFault) as caught:
        parsed_options(value)
    assert caught.value.kind is kind
    assert message in str(caught.value)
    assert caught.value.action == ("skip" if kind is DefectKind.OPTIONS_ALIKE else "error")
