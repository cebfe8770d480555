"""A user's own term, and every way in which it can break its promise."""

import pytest
from written_completions import completion, phantom_samples

from pathvlm_r1.reward import OwnTerm, Score, TermError, score_all

SAMPLE = phantom_samples("ct", 2)[1]
ASKED = [completion(SAMPLE, reasoning) for reasoning in ("one", "one two", "")]


def words(completion):
    return Score(float(len(completion.text.split())), "counted")


class Together:
    """Counts how often it is asked, and may lose a score or its temper."""

    def __init__(self, lost=0, value=0.5):
        self.calls, self.lost, self.value = 0, lost, value

    def __call__(self, _):
        raise AssertionError("asked one by one")

    def score_all(self, completions):
        self.calls += 1
        return [Score(self.value, "together") for _ in completions][self.lost :]


def test_an_own_term_scores_under_the_name_that_it_is_given():
    term = OwnTerm(words, "words")
    assert (term.name, [score.value for score in score_all(term, ASKED)]) == ("words", [1.0, 2.0, 1.0])


def test_an_own_term_that_takes_many_is_asked_once():
    function = Together()
    assert [score.value for score in score_all(OwnTerm(function, "t"), ASKED)] == [0.5] * 3
    assert function.calls == 1


def test_an_own_term_that_raises_is_named_with_the_sample_and_its_error():
    with pytest.raises(TermError) as caught:
        OwnTerm(lambda completion: completion.answer, "ratio")(ASKED[0])
    assert str(caught.value) == (
        f"reward.terms.ratio raised AttributeError on sample {SAMPLE.sample_id} of {SAMPLE.dataset}: 'Completion' "
        "object has no attribute 'answer'; a term must give every completion a Score, the empty one too"
    )
    assert isinstance(caught.value.__cause__, AttributeError)


@pytest.mark.parametrize("returned", [1.0, None, (1.0, "reason")])
def test_an_own_term_that_returns_no_score_is_named_with_the_sample(returned):
    with pytest.raises(TermError) as caught:
        OwnTerm(lambda _: returned, "number")(ASKED[0])
    assert str(caught.value) == (
        f"reward.terms.number returned {returned!r} for sample {SAMPLE.sample_id} of {SAMPLE.dataset}: return a "
        "Score(value, reason), its value None where it does not apply"
    )


def test_an_own_term_that_is_not_finite_is_named_too():
    with pytest.raises(TermError, match=r"reward\.terms\.nan raised ValueError .*finite number"):
        OwnTerm(lambda _: Score(float("nan"), ""), "nan")(ASKED[0])


def test_an_own_term_that_loses_a_score_of_many_is_refused():
    with pytest.raises(TermError, match=r"reward\.terms\.t gave 2 scores to 3 completions"):
        score_all(OwnTerm(Together(lost=1), "t"), ASKED)


def test_an_own_term_that_raises_on_many_is_named_with_the_first_sample():
    with pytest.raises(TermError, match=rf"reward\.terms\.t raised ValueError on 3 completions.*{SAMPLE.sample_id}"):
        score_all(OwnTerm(Together(value=float("inf")), "t"), ASKED)
