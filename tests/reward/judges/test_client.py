"""How an endpoint is asked: paced, bounded, repeated where that helps, and given up with one message."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Barrier

import pytest
from fake_chat import FakeChat, judge_at, serving, texts, truth

from pathvlm_r1.reward.judges import JudgeError
from pathvlm_r1.reward.judges.client import _retry_after


def first_fails(fault):
    return FakeChat(lambda _, number: fault if number == 0 else None)


@pytest.mark.medium
@pytest.mark.parametrize(
    "fault", ["408", "409", "429 0", "500", "502", "503", "529", "reset", "truncated", "hang", "drip"]
)
def test_a_passing_fault_is_followed_by_another_attempt(fault, tmp_path):
    chat = first_fails(fault)
    with serving(chat) as url:
        (verdict,) = judge_at(url, tmp_path, timeout=0.3)(texts(1))
    assert verdict.events == truth(texts(1)[0].text)
    assert sum(chat.asked.values()) == 2


@pytest.mark.medium
@pytest.mark.parametrize("fault", ["400", "403", "422", "302"])
def test_a_refusal_is_not_repeated_and_is_a_missing_verdict_of_that_completion_alone(fault, tmp_path):
    bad, good = texts(2)
    chat = FakeChat(lambda text, _: fault if text == bad.text else None)
    with serving(chat) as url:
        verdicts = judge_at(url, tmp_path)([bad, good])
    assert (verdicts[0].events, verdicts[1].events) == (None, truth(good.text))
    assert verdicts[0].reason == f'no answer: status {fault}: {{"error": "told to"}}'
    assert chat.asked[bad.text] == 1


@pytest.mark.parametrize("fault", ["whole but unended", "without length"])
def test_a_body_that_ends_early_counts_where_it_is_whole(fault, tmp_path):
    chat = first_fails(fault)
    with serving(chat) as url:
        assert judge_at(url, tmp_path)(texts(1))[0].events == truth(texts(1)[0].text)
    assert sum(chat.asked.values()) == 1


def test_an_answer_that_is_no_chat_completion_is_asked_for_again(tmp_path):
    chat = first_fails({"error": {"message": "upstream"}})
    with serving(chat) as url:
        assert judge_at(url, tmp_path)(texts(1))[0].events is not None


@pytest.mark.medium
def test_nothing_is_sent_before_the_server_wants_to_be_asked_again(tmp_path):
    chat = FakeChat(lambda *_: None if time.monotonic() > until else "429 0.4")
    until = time.monotonic() + 0.4
    with serving(chat) as url:
        verdicts = judge_at(url, tmp_path, concurrency=4, attempts=2)(texts(12, start=50))
    assert all(verdict.events for verdict in verdicts)
    assert sum(chat.asked.values()) <= 12 + 4, "the others waited too"


def test_a_server_that_asks_for_a_longer_pause_than_allowed_gets_no_further_attempt(tmp_path):
    chat = FakeChat(lambda *_: "429 3600")
    with serving(chat) as url:
        (verdict,) = judge_at(url, tmp_path)(texts(1))
    assert verdict.reason.startswith("no answer: status 429")
    assert sum(chat.asked.values()) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("2", 2),
        ("0.5", 0.5),
        ("-1", 0),
        ("nan", 0),
        ("inf", 0),
        ("soon", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_nothing(value, seconds):
    assert _retry_after(value) == seconds


def test_retry_after_may_be_a_date():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < _retry_after(date) <= 90


def test_as_many_requests_are_under_way_as_are_allowed_and_no_more(tmp_path):
    chat = FakeChat(seconds=0.05)
    with serving(chat) as url:
        judge_at(url, tmp_path, concurrency=3)(texts(9))
    assert chat.most_at_once == 3


@pytest.mark.medium
def test_threads_of_one_process_together_have_no_more_requests_under_way(tmp_path):
    """A validation comes while a rollout is judged ahead."""
    chat, barrier = FakeChat(seconds=0.05), Barrier(2)

    def asked(start):
        barrier.wait()
        return judge(texts(9, start=start))

    with serving(chat) as url, ThreadPoolExecutor(2) as pool:
        judge = judge_at(url, tmp_path, concurrency=3)
        verdicts = [verdict for found in pool.map(asked, (0, 9)) for verdict in found]
    assert [verdict.events for verdict in verdicts] == [truth(completion.text) for completion in texts(18)]
    assert chat.most_at_once == 3


def test_starts_of_requests_keep_their_distance(tmp_path):
    with serving(FakeChat()) as url:
        judge = judge_at(url, tmp_path, spacing=0.05)
        started = time.monotonic()
        judge(texts(6))
    assert time.monotonic() - started >= 5 * 0.05


@pytest.mark.medium
@pytest.mark.parametrize("fault", ["500", "wrong model", "reset"])
def test_an_outage_ends_the_asking_with_one_message(fault, tmp_path):
    chat = FakeChat(lambda *_: fault)
    with serving(chat) as url:
        judge = judge_at(url, tmp_path, breaker=5, concurrency=2)
        with pytest.raises(JudgeError) as caught:
            judge(texts(40))
    assert str(caught.value).startswith(f"judge.url={url}: 5 requests in a row failed, the last one: ")
    assert sum(chat.asked.values()) <= 5 + 1, "what was under way, and no more"


@pytest.mark.medium
def test_failures_are_counted_on_from_batch_to_batch(tmp_path):
    with serving(FakeChat(lambda *_: "400")) as url:
        judge = judge_at(url, tmp_path, breaker=3)
        assert [judge(texts(1, start=number))[0].events for number in range(2)] == [None, None]
        with pytest.raises(JudgeError, match="3 requests in a row failed"):
            judge(texts(1, start=2))


@pytest.mark.medium
def test_a_server_that_starts_again_in_the_middle_loses_no_verdict(tmp_path):
    first, second = FakeChat(seconds=0.05), FakeChat()
    with ThreadPoolExecutor(1) as pool:
        with serving(first) as url:
            judge = judge_at(url, tmp_path, concurrency=4, attempts=60, backoff=0.05, max_wait=0.2)
            verdicts = pool.submit(judge, texts(24))
            while sum(first.asked.values()) < 8:
                time.sleep(0.01)
        with serving(second, port=int(url.split(":")[2].partition("/")[0])):
            assert [verdict.events for verdict in verdicts.result()] == [truth(c.text) for c in texts(24)]
    assert first.paid.keys() & second.paid.keys() == set()
    assert 0 < len(first.paid) < 24 == len(first.paid) + len(second.paid)


@pytest.mark.medium
def test_failures_with_answers_between_them_are_no_outage(tmp_path):
    chat = FakeChat(lambda _, number: "500" if number == 0 else None)
    with serving(chat) as url:
        judge = judge_at(url, tmp_path, breaker=3, concurrency=1)
        assert all(verdict.events for verdict in judge(texts(8)))


def test_a_server_that_is_not_there_costs_nothing_and_is_named(tmp_path):
    judge = judge_at("http://127.0.0.1:9/v1", tmp_path, breaker=3, attempts=2)
    with pytest.raises(JudgeError, match=r"judge\.url=http://127\.0\.0\.1:9/v1: 3 requests in a row failed"):
        judge(texts(4))
    with pytest.raises(JudgeError):
        judge(texts(1))


def test_a_key_that_is_refused_ends_the_asking_at_once_and_is_not_shown(tmp_path):
    chat = FakeChat()
    with serving(chat) as url:
        judge = judge_at(url, tmp_path, api_key="another-key", concurrency=1)
        with pytest.raises(JudgeError) as caught:
            judge(texts(20))
    assert str(caught.value).startswith(f"judge.url={url}: status 401")
    assert "another-key" not in str(caught.value)
    assert sum(chat.asked.values()) == 1


def test_an_address_that_is_not_there_ends_the_asking_at_once(tmp_path):
    with serving(FakeChat()) as url, pytest.raises(JudgeError, match="status 404"):
        judge_at(f"{url}/v2", tmp_path)(texts(3))
