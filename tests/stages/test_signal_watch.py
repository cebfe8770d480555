import pytest
from graded_groups import ACCURACY, counts_of

from pathvlm_r1.stages import SignalWatch

LIVE, RIGHT, WRONG, CAPPED, PARTLY_CAPPED = (
    counts_of(word, terms=[ACCURACY]) for word in ("rrww", "rrrr", "wwww", "cccc", "rrwc")
)


def observed(*steps, watch=None, n=3, cap_limit=0.2):
    """What is said after each step, and the watch."""
    watch = watch or SignalWatch(steps=n, cap_limit=cap_limit)
    return [watch.observe(counts) for counts in steps], watch


def warnings_at(said):
    return [step for step, notices in enumerate(said, start=1) if any(notice.is_warning for notice in notices)]


def only_text(notices):
    (notice,) = [notice for notice in notices if notice.is_warning]
    return notice.text


def test_n_steps_in_a_row_without_any_signal_are_warned_of_and_then_every_n_more():
    said, watch = observed(*[WRONG] * 7)
    assert warnings_at(said) == [3, 6]
    assert watch.metrics == {
        "grpo/signal/silent_steps": 7, "grpo/signal/warnings": 2, "grpo/signal/cap_warnings": 0,
    }  # fmt: skip


def test_a_single_step_with_a_signal_begins_the_count_anew():
    said, watch = observed(WRONG, WRONG, LIVE, WRONG, WRONG, LIVE)
    assert warnings_at(said) == []
    assert watch.metrics["grpo/signal/silent_steps"] == 0
    said, _ = observed(WRONG, WRONG, LIVE, WRONG, WRONG, WRONG)
    assert warnings_at(said) == [6]


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (WRONG, ("all wrong 100%", "format 100%", "cut at the limit of tokens 0%", "everything is wrong")),
        (RIGHT, ("all right 100%", "everything is right already")),
        (CAPPED, ("format 0%", "cut at the limit of tokens 100%", "raise model.max_completion_tokens")),
    ],
)
def test_the_warning_names_the_cause_with_its_shares(counts, words):
    said, _ = observed(*[counts] * 3, cap_limit=1.0)
    text = only_text(said[2])
    assert text.startswith("the last 3 steps taught nothing.")
    assert all(word in text for word in words)


def test_a_warning_speaks_of_the_silent_steps_alone():
    said, _ = observed(LIVE, RIGHT, RIGHT, RIGHT)
    assert "RL has no signal: the rewards are equal within all 3 groups" in only_text(said[3])


def test_completions_that_were_cut_are_warned_of_from_the_first_step_on_and_not_at_every_step():
    said, watch = observed(*[PARTLY_CAPPED] * 7)
    assert warnings_at(said) == [1, 4, 7]
    assert watch.metrics["grpo/signal/cap_warnings"] == 3
    text = only_text(said[0])
    assert "step 1: 1 of 4 completions were cut at the limit of tokens, more than stage.cap_warning_share=0.2" in text


def test_at_the_limit_itself_nothing_is_said():
    assert warnings_at(observed(PARTLY_CAPPED, cap_limit=0.25)[0]) == []
    assert warnings_at(observed(CAPPED, cap_limit=1.0)[0]) == []
    assert warnings_at(observed(LIVE, LIVE, PARTLY_CAPPED)[0]) == [3]


def test_after_the_first_n_steps_one_line_sums_them_up():
    said, _ = observed(LIVE, RIGHT, WRONG, LIVE, LIVE)
    assert [len(notices) for notices in said] == [0, 0, 1, 0, 0]
    (notice,) = said[2]
    assert not notice.is_warning
    assert notice.text == (
        "first 3 steps: groups all wrong 33%, all right 33%, mixed 33%, without signal 67%; format 100%, "
        "cut at the limit of tokens 0%. RL has a signal: the rewards differ within 1 of 3 groups."
    )


def test_a_run_that_ends_before_n_steps_is_summed_up_at_its_end_and_a_longer_one_is_not_again():
    _, short = observed(LIVE, WRONG)
    (notice,) = short.unfinished_summary()
    assert notice.text.startswith("first 2 steps: groups all wrong 50%")
    _, longer = observed(*[LIVE] * 4)
    assert longer.unfinished_summary() == []
    assert SignalWatch(steps=3, cap_limit=0.2).unfinished_summary() == []


@pytest.mark.parametrize("interrupted_after", range(6))
def test_a_resumed_watch_says_what_an_uninterrupted_one_would(interrupted_after):
    steps = [PARTLY_CAPPED, WRONG, WRONG, WRONG, CAPPED, WRONG]
    expected, straight = observed(*steps)
    before, watch = observed(*steps[:interrupted_after])
    again = SignalWatch(steps=3, cap_limit=0.2)
    again.load_state_dict(watch.state_dict())
    after, again = observed(*steps[interrupted_after:], watch=again)
    assert before + after == expected
    assert again.metrics == straight.metrics
    assert again.state_dict() == straight.state_dict()
