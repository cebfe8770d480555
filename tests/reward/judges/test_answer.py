"""An answer is read strictly: what is not exactly as asked for is no verdict, and its reason says what was wrong."""

import json

import pytest
from fake_chat import INVALID, NAMES, answer, content, texts, truth
from hypothesis import given
from hypothesis.strategies import text as any_text

from pathvlm_r1.reward.judges.answer import SCHEMA, Answer, read

TEXT = texts(1)[0].text


def reading(body, *, is_voiding=True, text=TEXT):
    return read(Answer.of(json.dumps(body)), text, is_voiding=is_voiding)


def saying(found):
    return answer(TEXT, content=found if isinstance(found, str) else json.dumps(found))


def found(**changes):
    return json.loads(content(TEXT)) | changes


def test_an_honest_answer_is_its_events():
    assert reading(answer(TEXT)).events == truth(TEXT)
    assert reading(saying(content(TEXT) + "\n ")).events == truth(TEXT)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("extra key", "not of schema process_events_v1: its events are image_feature_analysis, option_elimination, "
         "medical_knowledge_support, definition_error, logical_contradiction, incorrect_criterion, severity"),
        ("missing key", "not of schema process_events_v1: its events are image_feature_analysis, option_elimination, "
         "medical_knowledge_support, logical_contradiction, incorrect_criterion"),
        ("not a boolean", "not of schema process_events_v1: definition_error.present: Input should be a valid boolean"),
        ("prose", "no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("refusal", "refused: I cannot help with that."),
        ("cut", "ended by length, not by stop"),
        ("two choices", "2 choices, one was asked for"),
    ],
)  # fmt: skip
def test_what_is_not_as_asked_for_is_no_verdict_with_its_reason(fault, reason):
    body = INVALID[fault](TEXT)
    assert (reading(body).events, reading(body).reason) == (None, reason)


@pytest.mark.parametrize("present", ["true", "false", 1, 0, None, [], 1.0])
def test_only_true_and_false_are_booleans(present):
    assert reading(saying(found(definition_error={"evidence": "", "present": present}))).events is None


@pytest.mark.parametrize(
    "event",
    [
        {"present": True},
        {"evidence": ""},
        {"evidence": None, "present": False},
        {"evidence": "x" * 513, "present": False},
        {"evidence": "", "present": False, "confidence": 1},
        True,
        ["", True],
    ],
)
def test_an_event_has_its_two_keys_and_no_others(event):
    assert reading(saying(found(option_elimination=event))).events is None


@pytest.mark.parametrize(
    "said",
    [
        "",
        "null",
        "[]",
        "true",
        "NaN",
        "{",
        '{"a": NaN}',
        "[" * 20_000,
        f"```json\n{content(TEXT)}\n```",
        content(TEXT) * 2,
    ],
    ids=range(10),
)
def test_a_content_that_is_not_one_object_is_no_verdict(said):
    assert reading(saying(said)).events is None


def test_a_key_that_stands_twice_is_no_verdict_whichever_value_a_reader_would_take():
    honest = content(TEXT)
    twice = honest[:-1] + ', "definition_error": {"evidence": "", "present": false}}'
    assert reading(saying(twice)).reason == "no JSON: a key stands twice"
    inner = honest.replace('"present": ', '"present": false, "present": ', 1)
    assert reading(saying(inner)).events is None


def test_a_refusal_beside_a_content_is_a_refusal():
    assert reading(answer(TEXT, refusal="no")).reason == "refused: no"


QUOTE = {"evidence": "finding 0 is seen", "present": True}


@pytest.mark.parametrize("quoted", ["finding 0 is seen", " finding\n0  is\tseen ", "<think>finding 0 is seen</think>"])
def test_evidence_stands_in_the_completion_whatever_its_white_space(quoted):
    read_out = reading(saying(found(option_elimination=QUOTE | {"evidence": quoted})))
    assert read_out.events.option_elimination
    assert read_out.unfound == ()


@pytest.mark.parametrize("unseen", ["\u200b", "\u00ad", "\u202e", "\x00", "\ufeff", "\ud800", "\U000e0041"])
def test_a_character_that_nobody_sees_voids_no_error(unseen):
    """A judge copies what it reads: such characters in wrong claims alone would leave the steps and void the errors."""
    text = TEXT.replace("finding", f"find{unseen}ing")
    copied = QUOTE | {"evidence": "finding 0 is seen" if unseen == "\ud800" else f"finding 0 {unseen}is seen"}
    body = saying(found(definition_error=QUOTE, option_elimination=copied))
    read_out = reading(body, text=text)
    assert (read_out.events.definition_error, read_out.events.option_elimination) == (True, True)
    assert read_out.unfound == ()


@pytest.mark.parametrize(
    "quoted", ["", " \n", "\u200b", "Finding 0 is seen", "finding 1 is seen", "finding 0 was seen"]
)
def test_evidence_that_does_not_stand_there_voids_its_event_alone_or_is_counted(quoted):
    body = saying(found(option_elimination=QUOTE | {"evidence": quoted}, definition_error=QUOTE))
    voided, counted = reading(body), reading(body, is_voiding=False)
    assert (voided.events.option_elimination, voided.events.definition_error) == (False, True)
    assert counted.events.option_elimination
    assert voided.unfound == counted.unfound == ("option_elimination",)
    assert (voided.reason, counted.reason) == (
        "judged, evidence not found and voided: option_elimination",
        "judged, evidence not found and counted: option_elimination",
    )


def test_an_absent_event_needs_no_evidence():
    absent = {"evidence": "not in the text at all", "present": False}
    read_out = reading(saying(dict.fromkeys(NAMES, absent)))
    assert (read_out.events.missing, read_out.events.errors, read_out.unfound) == (3, 0, ())


@given(any_text())
def test_no_content_makes_the_reader_fail(said):
    assert reading(saying(said)).events is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": "m"}', b'{"model": 1, "choices": []}', b"\xff\xfe"])
def test_a_body_that_is_no_chat_completion_is_a_value_error(body):
    with pytest.raises(ValueError, match="validation error"):
        Answer.of(body)


def test_the_schema_asks_for_exactly_what_is_read():
    assert SCHEMA["required"] == NAMES == list(SCHEMA["properties"])
    assert not SCHEMA["additionalProperties"]
    for event in SCHEMA["properties"].values():
        assert event["required"] == ["evidence", "present"] == list(event["properties"])
        assert not event["additionalProperties"]
