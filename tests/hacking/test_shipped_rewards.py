"""Under every reward of `conf/reward/` no exploit is paid more than honesty, right or wrong."""

import pytest
from catalogue import EXPLOITS, hacking_samples
from exploit import attempts
from field_terms import field_terms, sampled
from gaming import MARGIN
from paid_rewards import NAMES, Shipped, honest_misread, honest_right
from written_completions import CONTRACT, honest_wrong

from pathvlm_r1.reward import AnswerConsistency, Missing, Score, WeightedTerm, concluded


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return hacking_samples(tmp_path_factory.mktemp("drawn"), per_type=1)


@pytest.fixture(scope="module")
def remembered():
    """Scores of texts, which all files share."""
    return {}


def exploited(samples):
    """Every exploit of every attempt, as (name, completion)."""
    return [
        (exploit.name, sampled(attempt.sample, exploit.write(attempt)))
        for sample in samples
        for attempt in attempts(sample)
        for exploit in EXPLOITS
    ]


def paid_more(reward, samples):
    """The exploits that are paid more than honesty: the right answer's if they have it, else a misreading's."""
    right = reward.paid([honest_right(sample) for sample in samples])
    honest = {sample.sample_id: float(total) for sample, total in zip(samples, right.total[:, 1], strict=True)}
    lowest = float(reward.paid(honest_misread(samples)).total[:, 1].min())
    names, texts = zip(*exploited(samples), strict=True)
    table = reward.paid(texts)
    found = set()
    for row, (name, text) in enumerate(zip(names, texts, strict=True)):
        is_right = CONTRACT.parse(text.text, text.sample.options).answer == text.sample.answer
        bound = honest[text.sample.sample_id] if is_right else lowest
        if table.total[row, 1] > bound + MARGIN:
            found.add(f"{name}: {float(table.total[row, 1]):.3f} above {bound:.3f}, right: {is_right}")
    return sorted(found)


@pytest.mark.parametrize("name", NAMES)
def test_no_exploit_is_paid_more_than_honesty_under_a_shipped_reward(name, asked, remembered):
    assert paid_more(Shipped.named(name, asked, remembered), asked) == []


def test_honesty_has_the_most_of_every_term_that_is_no_share(asked):
    for name, score in field_terms(asked).items():
        for sample in asked:
            for written in (honest_right(sample), honest_wrong(sample)):
                if written is not None and name in ("consistency", "length", "repetition"):
                    attempt = next(attempts(sample))
                    assert score(attempt, written.text) == 1.0, (name, written.text)


def test_a_term_that_pays_for_length_is_caught(asked, remembered):
    class Longer:
        name = "longer"

        def __call__(self, completion):
            return Score(completion.token_count / 1000, "the longer the better")

    dual = Shipped.named("dual", asked[:2], remembered)
    reward = Shipped([*dual.terms, WeightedTerm(Longer(), 1.0)], Missing.GROUP_MEAN)
    assert any("50 times" in line for line in paid_more(reward, asked[:2]))


def test_a_consistency_that_reads_the_answer_s_own_block_is_caught(asked):
    """With the answer taken for a conclusion, every answer agrees with itself, also against its argument."""
    against = next(exploit for exploit in EXPLOITS if exploit.name == "another conclusion")
    for sample in asked:
        for attempt in attempts(sample):
            text = against.write(attempt)
            block_too = concluded(text.replace("<answer>", " The answer is "), sample.options)
            assert block_too == {CONTRACT.parse(text, sample.options).answer}
            assert AnswerConsistency(CONTRACT)(sampled(sample, text)).value == 0.0
