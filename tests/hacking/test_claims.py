"""Whatever is argued in the oracle's own sentences: a wrong answer is paid like an honest misreading at most."""

from dataclasses import replace

import pytest
from catalogue import hacking_samples
from claims import claimed
from hypothesis import Phase, given, settings
from hypothesis.strategies import data
from written_completions import CONTRACT, FLAWLESS, events_of

from pathvlm_r1.data.rationale import read
from pathvlm_r1.reward import Completion, FinishReason, OracleJudge, process_score
from pathvlm_r1.reward.judges import oracle

JUDGE = OracleJudge(CONTRACT)
MISREADING = replace(FLAWLESS, definition_error=True)
HONEST_WRONG = process_score(MISREADING, 0.4)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return hacking_samples(tmp_path_factory.mktemp("drawn"), per_type=2)


def assert_paid_for_what_is_read(attempt, reasoning):
    """Full score for reading all that decides, a wrong answer's most for a complete argument with a false finding."""
    completion = Completion(attempt.sample, attempt.written(reasoning), FinishReason.STOP, token_count=1)
    events, table, said = events_of(JUDGE, completion), attempt.sample.findings, read(reasoning)
    score = process_score(events, 0.4)
    if not attempt.is_right:
        assert score <= HONEST_WRONG, (events, reasoning)
        assert score < HONEST_WRONG or events == MISREADING, (events, reasoning)
    elif score == 1:
        deciding = [group & table.shown for group in table.exclusive if group & attempt.facts.excluded_by]
        assert all({phrase.lower() for phrase in true} & set(said.seen) for true in deciding), reasoning
        assert set(said.concluded) <= {attempt.option.lower()}, reasoning


@settings(max_examples=500)
@given(drawn=data())
def test_no_argument_is_paid_for_what_it_does_not_read(asked, drawn):
    assert_paid_for_what_is_read(*drawn.draw(claimed(asked)))


@pytest.mark.slow
@settings(max_examples=10_000)
@given(drawn=data())
def test_no_argument_among_ten_thousand_is_paid_for_what_it_does_not_read(asked, drawn):
    assert_paid_for_what_is_read(*drawn.draw(claimed(asked)))


@pytest.mark.parametrize("overlooked", ["is_selective", "contradicts_answer"])
def test_an_oracle_that_overlooks_something_is_caught(asked, monkeypatch, overlooked):
    monkeypatch.setattr(oracle._Case, overlooked, False)

    @settings(max_examples=500, phases=[Phase.generate], database=None)
    @given(made=claimed(asked))
    def law(made):
        assert_paid_for_what_is_read(*made)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()
