"""Grades of a language model: read strictly, asked in their own form, paid for once."""

import json

import pytest
from fake_chat import FakeChat, answer, judge_at, read_request, serving, texts
from hypothesis import given
from hypothesis.strategies import text

from pathvlm_r1.reward import JudgeError
from pathvlm_r1.reward.judges import QUALITIES, QUALITY_SCHEMA, QUALITY_SCHEMA_VERSION, Prompt, QualityJudge
from pathvlm_r1.reward.judges.answer import Answer
from pathvlm_r1.reward.judges.quality import read_qualities

GRADES = {name: place / 8 for place, name in enumerate(QUALITIES)}


def graded(**changes):
    """The body of a response with these grades; None takes one out."""
    found = {name: value for name, value in {**GRADES, **changes}.items() if value is not None}
    return answer("", content=json.dumps(found))


def read(body):
    return read_qualities(Answer.of(json.dumps(body)))


def grading(url, folder, **changes):
    form = {"schema_version": QUALITY_SCHEMA_VERSION, "schema": QUALITY_SCHEMA, "prompt": Prompt.named("quality_v1")}
    return QualityJudge(judge_at(url, folder, **form, **changes))


def test_six_grades_are_those_of_the_paper():
    assert len(QUALITIES) == 6
    assert (QUALITY_SCHEMA["required"], QUALITY_SCHEMA["additionalProperties"]) == (list(QUALITIES), False)
    found, reason = read(graded(rigor=1, clarity=0))
    assert (found.model_dump(), reason) == ({**GRADES, "rigor": 1.0, "clarity": 0.0}, "graded")


@pytest.mark.parametrize(
    "body",
    [
        graded(rigor=None), graded(rigor=1.01), graded(rigor=-0.1), graded(rigor="0.5"), graded(rigor=True),
        graded(other=0.5), graded(rigor=[0.5]), answer("", content="0.5"), answer("", content="Good. {}"),
        answer("", content=json.dumps(GRADES)[:-1] + ', "rigor": 0.9}'), answer("", content='{"rigor": NaN}'),
        answer("", content=None, refusal="No."), answer("", finish_reason="length"),
    ],
)  # fmt: skip
def test_anything_else_is_no_grade_and_nothing_is_guessed(body):
    found, reason = read(body)
    assert found is None
    assert reason


@given(text())
def test_every_content_is_read_or_refused(content):
    found, reason = read(answer("", content=content))
    assert found is None
    assert reason


def test_completions_are_graded_in_order_in_a_form_of_their_own_and_never_paid_for_twice(tmp_path):
    chat = FakeChat(script=lambda text, _: graded(rigor=len(text) % 5 / 5))
    completions = [*texts(3), texts(1)[0]]
    with serving(chat) as url:
        first = grading(url, tmp_path)(completions)
        again = grading(url, tmp_path)(completions)
    assert [one.qualities.rigor for one in first] == [len(c.text) % 5 / 5 for c in completions]
    assert sum(chat.asked.values()) == 3
    assert [one.qualities for one in again] == [one.qualities for one in first]
    assert [one.provenance.is_cached for one in first + again] == [False] * 3 + [True] * 5
    assert all(one.provenance.prompt == "quality_v1" for one in first)
    form = chat.bodies[0]["response_format"]["json_schema"]
    assert (form["name"], form["schema"]) == (QUALITY_SCHEMA_VERSION, QUALITY_SCHEMA)
    assert read_request(chat.bodies[0])[0]["completion"] in {c.text for c in completions}


def test_a_verdict_on_events_is_no_grade_and_too_many_missing_ones_end_it(tmp_path):
    with serving(FakeChat()) as url:
        missing = grading(url, tmp_path)(texts(2))
        assert all(one.qualities is None and QUALITY_SCHEMA_VERSION in one.reason for one in missing)
        with pytest.raises(JudgeError, match="2 of 2 completions have no verdict"):
            grading(url, tmp_path, max_missing_share=0.5)(texts(2))
