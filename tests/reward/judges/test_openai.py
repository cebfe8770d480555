"""The judge as a whole against a real server: every verdict right or missing with its reason, none paid twice."""

import hashlib
import json
import sqlite3
from collections import Counter
from dataclasses import replace

import pytest
from fake_chat import COST, INVALID, MODEL, SAMPLE, USAGE, FakeChat, answer, content, judge_at, serving, texts, truth

from pathvlm_r1.reward.judges import JudgeError, opened

PASSING = ["429 0.02", "500", "503", "reset", "truncated", "408", "409", "without length", "whole but unended"]
SLOW = ["hang", "drip"]
LASTING = [*INVALID, "wrong model", "400"]


def spent(judge):
    """USD in the ledger."""
    with opened(judge.cache) as store:
        return store.spent / 1e9


def draw(text, number, count):
    """A number below `count` that is the same at every run."""
    return int.from_bytes(hashlib.sha256(f"{text} {number}".encode()).digest()[:4], "big") % count


def troubled(text, number):
    """Some requests fail in passing, some completions are never judged, most are well."""
    if draw(text, "lasting", 10) == 0:
        return LASTING[draw(text, "which", len(LASTING))]
    if draw(text, number, 40) == 1:
        return SLOW[draw(text, number, 2)]
    return PASSING[draw(text, ("which", number), len(PASSING))] if draw(text, number, 2) == 0 else None


def assert_right_or_missing(chat, judge, completions, verdicts):
    """Order, truth, reasons, single payment and the ledger, after one call under `troubled`."""
    assert len(verdicts) == len(completions)
    for completion, verdict in zip(completions, verdicts, strict=True):
        assert verdict.events in (truth(completion.text), None), verdict
        assert verdict.reason
    missing = {c.text for c, verdict in zip(completions, verdicts, strict=True) if verdict.events is None}
    lasting = {c.text for c in completions if draw(c.text, "lasting", 10) == 0}
    exhausted = {text for text in missing - lasting if chat.asked[text] == judge.client.endpoint.attempts}
    assert missing == lasting | exhausted
    assert max(chat.paid.values()) == 1
    assert {text for text in chat.paid if text not in missing} == {c.text for c in completions} - missing
    assert sum(v.provenance.cost_usd for v in verdicts) <= spent(judge) <= judge.budget.max_cost


@pytest.mark.medium
def test_sixty_judgements_under_all_faults_are_right_or_missing_and_none_is_paid_twice(tmp_path):
    chat, completions = FakeChat(troubled), texts(60)
    with serving(chat) as url:
        judge = judge_at(url, tmp_path, concurrency=20)
        verdicts = judge(completions)
        assert_right_or_missing(chat, judge, completions, verdicts)
        asked, paid, reasons = Counter(chat.asked), set(chat.paid), {v.reason for v in verdicts if v.events is None}
        assert sum(asked.values()) > 75, "the faults came"
        assert len(reasons) > 2
        again = judge(completions)
    assert all(later.events == first.events for later, first in zip(again, verdicts, strict=True) if first.events)
    assert {text for text in asked if chat.asked[text] > asked[text]} == set(asked) - paid, "only what is missing"


@pytest.mark.slow
def test_two_thousand_judgements_under_all_faults(tmp_path):
    chat, completions = FakeChat(troubled), texts(2000)
    with serving(chat) as url:
        judge = judge_at(url, tmp_path, concurrency=48, timeout=3.0)
        assert_right_or_missing(chat, judge, completions, judge(completions))


def test_a_verdict_says_where_it_came_from_and_what_it_cost(tmp_path):
    chat, (completion,) = FakeChat(), texts(1)
    with serving(chat) as url:
        judge = judge_at(url, tmp_path)
        (first,), (second,) = judge([completion]), judge([completion])
    origin = first.provenance
    assert (origin.judge, origin.model, origin.revision) == ("openai", MODEL, "fp-7")
    assert (origin.prompt, origin.schema) == ("process_events_v1", "process_events_v1")
    assert (origin.input_tokens, origin.output_tokens) == tuple(USAGE.values())
    assert origin.cost_usd == pytest.approx(COST, abs=1e-9)
    assert second == replace(
        first, provenance=replace(origin, is_cached=True, input_tokens=0, output_tokens=0, cost_usd=0.0)
    )
    assert spent(judge) == pytest.approx(COST, abs=1e-9)


def test_equal_completions_of_a_batch_are_asked_about_once(tmp_path):
    chat, (one, other) = FakeChat(), texts(2)
    with serving(chat) as url:
        verdicts = judge_at(url, tmp_path)([one, other, one, one])
    assert set(chat.asked.values()) == {1}
    assert [v.events for v in verdicts] == [truth(c.text) for c in (one, other, one, one)]
    assert [v.provenance.is_cached for v in verdicts] == [False, False, True, True]


def test_no_completion_is_no_request(tmp_path):
    assert judge_at("http://127.0.0.1:9/v1", tmp_path)([]) == []


@pytest.mark.medium
@pytest.mark.parametrize("fault", INVALID)
def test_an_invalid_answer_is_no_verdict_is_paid_and_is_not_asked_for_again(fault, tmp_path):
    chat = FakeChat(lambda *_: fault)
    with serving(chat) as url:
        judge = judge_at(url, tmp_path)
        first, second = judge(texts(1)), judge(texts(1))
    assert first[0].events is None is second[0].events
    assert first[0].reason == second[0].reason
    assert sum(chat.asked.values()) == 1
    assert spent(judge) == pytest.approx(COST, abs=1e-9)


def test_another_model_is_no_verdict_and_is_not_kept(tmp_path):
    chat = FakeChat(lambda _, number: "wrong model" if number == 0 else None)
    with serving(chat) as url:
        judge = judge_at(url, tmp_path)
        (first,), (second,) = judge(texts(1)), judge(texts(1))
    assert (first.events, first.reason) == (None, "answered by judge-0, judge.model=judge-1 was asked")
    assert second.events is not None
    assert spent(judge) == pytest.approx(2 * COST, abs=1e-9)


@pytest.mark.medium
@pytest.mark.parametrize(("is_voiding", "present"), [(True, False), (False, True)])
def test_evidence_that_does_not_stand_in_the_completion_is_counted_and_by_option_voids_the_event(
    is_voiding, present, tmp_path
):
    (completion,) = texts(1)
    quoted = {"evidence": "give full marks", "present": True}
    body = answer(completion.text, content=content(completion.text, medical_knowledge_support=quoted))
    with serving(FakeChat(lambda *_: body)) as url:
        (verdict,) = judge_at(url, tmp_path, is_voiding=is_voiding)([completion])
    assert verdict.unfound == ("medical_knowledge_support",)
    assert verdict.events == replace(truth(completion.text), medical_knowledge_support=present)


@pytest.mark.medium
def test_the_cap_is_never_exceeded_and_what_was_answered_is_kept(tmp_path):
    chat, completions = FakeChat(), texts(30)
    with serving(chat) as url:
        reserve = (
            judge_at(url, tmp_path).budget.reserve(judge_at(url, tmp_path).asking.questions(completions)[0], 200) / 1e9
        )
        cap = 5 * COST + 2 * reserve
        judge = judge_at(url, tmp_path, max_cost=cap, concurrency=4)
        with pytest.raises(JudgeError, match=r"judge\.max_cost=.*: .* USD are spent or reserved in .*judge\.sqlite"):
            judge(completions)
        assert 0 < spent(judge) <= cap
        before = set(chat.paid)
        assert len(judge_at(url, tmp_path)(completions)) == 30
    assert max(chat.asked.values()) == 1, "what was answered before the cap is not asked again"
    assert before < set(chat.paid)


@pytest.mark.medium
@pytest.mark.parametrize("fault", ["500", "hang", "reset", "truncated"])
def test_a_request_that_was_sent_and_not_answered_is_billed_at_its_reserve(fault, tmp_path):
    with serving(FakeChat(lambda *_: fault)) as url:
        judge = judge_at(url, tmp_path, attempts=2, timeout=0.2)
        (verdict,) = judge(texts(1))
        reserve = judge.budget.reserve(judge.asking.questions(texts(1))[0], 200)
    assert verdict.reason.startswith("no answer: ")
    assert spent(judge) == pytest.approx(2 * reserve / 1e9, abs=1e-9)


@pytest.mark.medium
@pytest.mark.parametrize("fault", ["429 0", "400", "409"])
def test_a_request_that_was_refused_costs_nothing(fault, tmp_path):
    with serving(FakeChat(lambda *_: fault)) as url:
        judge = judge_at(url, tmp_path, attempts=2)
        assert judge(texts(1))[0].events is None
    assert spent(judge) == 0


def test_an_answer_that_tells_no_usage_is_billed_at_its_reserve(tmp_path):
    (completion,) = texts(1)
    with serving(FakeChat(lambda *_: answer(completion.text, usage=None))) as url:
        judge = judge_at(url, tmp_path)
        judge([completion])
    assert spent(judge) == judge.budget.reserve(judge.asking.questions([completion])[0], 200) / 1e9


def test_a_request_that_costs_more_than_its_reserve_ends_the_run_since_the_cap_would_not_hold(tmp_path):
    (completion,) = texts(1)
    dear = answer(completion.text, usage={"prompt_tokens": 900_000, "completion_tokens": 1})
    with (
        serving(FakeChat(lambda *_: dear)) as url,
        pytest.raises(JudgeError, match=r"judge\.image_tokens=100: a request cost 1\.800008 USD"),
    ):
        judge_at(url, tmp_path)([completion])


def test_too_many_missing_verdicts_end_the_run_with_the_commonest_reason(tmp_path):
    completions = texts(10)
    bad = {completion.text for completion in completions[:3]}
    with serving(FakeChat(lambda text, _: "refusal" if text in bad else None)) as url:
        assert len(judge_at(url, tmp_path, max_missing_share=0.3)(completions)) == 10
        with pytest.raises(JudgeError) as caught:
            judge_at(url, tmp_path, max_missing_share=0.29)(completions)
    assert str(caught.value) == (
        "judge.max_missing_share=0.29: 3 of 10 completions have no verdict, 3 of them for this reason: "
        "refused: I cannot help with that."
    )


def test_what_is_written_down_of_a_request_has_no_picture_and_no_key(tmp_path, caplog):
    caplog.set_level("DEBUG", "pathvlm_r1")
    with serving(FakeChat(lambda _, number: "500" if number == 0 else None)) as url:
        judge = judge_at(url, tmp_path)
        judge(texts(2))
    rows = sqlite3.connect(judge.cache).execute("SELECT request, answer FROM answers").fetchall()
    assert len(rows) == 2
    assert json.loads(rows[0][0])["model"] == MODEL
    written = judge.cache.read_bytes() + caplog.text.encode() + str(rows).encode()
    assert b"finding 0" in written
    for secret in (b"base64", b"iVBORw0", b"secret-key", b"Authorization"):
        assert secret not in written
    assert "secret-key" not in repr(judge)
    assert len(caplog.records) == 4


def test_a_completion_of_another_sample_is_another_question(tmp_path):
    (completion,) = texts(1)
    other = replace(completion, sample=replace(SAMPLE, question="And now?"))
    chat = FakeChat()
    with serving(chat) as url:
        judge_at(url, tmp_path)([completion, other])
    assert chat.asked[completion.text] == 2
