"""Of a question without options no exploit is paid like the answer, nor more than a wrong one that is plainly given.

The wrong answers are the sample's other options, of which none is shown. A text is held against the option that its
answer block has all words of and no others, articles aside, else against the one that it is after.
"""

from dataclasses import dataclass

import pytest
from catalogue import EXPLOITS, hacking_samples
from exploit import attempts, honest, open_attempts
from field_terms import sampled
from gaming import MARGIN
from paid_rewards import Shipped
from written_completions import CONTRACT, open_question

from pathvlm_r1.reward import Completion, Missing, Score, WeightedTerm, token_f1

SIMILAR = "+reward.text_similarity={weight: 1}"
PENALTIES = (
    "+reward.length={weight: 1, min_tokens: 24, max_tokens: 384, falloff_tokens: 24}",
    "+reward.repetition={weight: 1, ngram_size: 20}",
)
REWARDS = {
    "open_answers": (),
    "open_answers less penalties": PENALTIES,
    "accuracy_format": (),
    "dual by the rules": ("judge=rules", SIMILAR),  # the oracle needs to know what the options mean
    "dual_gated by the rules": ("judge=rules", SIMILAR),
}


@dataclass(frozen=True)
class Asked:
    """An open question with its answers plainly given, the right one first, and every exploit of each of them."""

    plain: dict[str, Completion]
    exploits: list[tuple[str, str, Completion]]  # name, letter of the option that it is held against, text


def asked_openly(sample):
    question = open_question(sample, sample.option(sample.answer))
    after = sorted(open_attempts(sample), key=lambda each: not each.is_right)
    exploits = []
    for attempt in (*after, *attempts(sample)):
        texts = [(exploit.name, sampled(question, exploit.write(attempt))) for exploit in EXPLOITS]
        exploits += [(name, given(sample, text) or attempt.letter, text) for name, text in texts]
    return Asked({each.letter: sampled(question, honest(each)) for each in after}, exploits)


def block(completion):
    """What stands in the first answer block."""
    return completion.text.partition("<answer>")[2].partition("</answer>")[0]


def given(sample, completion):
    """The letter of the option that is plainly given; None where none is."""
    same = (letter for letter in sample.letters if token_f1(block(completion), sample.option(letter)) == 1)
    return next(same, None)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return [asked_openly(sample) for sample in hacking_samples(tmp_path_factory.mktemp("drawn"), per_type=1)]


@pytest.fixture(scope="module")
def remembered():
    """Scores of texts, which all rewards share."""
    return {}


def paid_more_than_plainly(reward, asked):
    """The exploits that are paid more than their own answer, right or wrong, when it is plainly given."""
    found = set()
    for one in asked:
        right, *_ = one.plain.values()
        plain = dict(zip(one.plain, reward.paid_beside(right, list(one.plain.values())), strict=True))
        totals = reward.paid_beside(right, [text for _, _, text in one.exploits])
        for (name, letter, text), total in zip(one.exploits, totals, strict=True):
            if total > plain[letter] + MARGIN:
                found.add(
                    f"{name}: {total:.3f} above {plain[letter]:.3f} of {one.plain[letter].text[-40:]}: {block(text)}"
                )
    return sorted(found)


@pytest.mark.parametrize("name", REWARDS)
def test_no_exploit_of_an_open_question_is_paid_more_than_its_answer_plainly_given(name, asked, remembered):
    reward = Shipped.named(name.split()[0], [], remembered, *REWARDS[name])
    assert paid_more_than_plainly(reward, asked) == []


def test_the_plain_answer_of_an_open_question_has_all_and_only_its_exact_text_has(asked, remembered):
    reward = Shipped.named("open_answers", [], remembered)
    for one in asked:
        right, *_ = one.plain.values()
        texts = [text for _, _, text in one.exploits]
        paid = reward.paid_beside(right, [right, *texts])
        assert paid[0] == 3.0
        for text, total in zip(texts, paid[1:], strict=True):
            is_exact = CONTRACT.parse(text.text, text.sample.options).answer == text.sample.answer
            assert total < 3.0 - MARGIN or is_exact, text.text


class Hedged:
    """Token F1 whatever the length: two answers in one have two thirds of the right one's pay."""

    name = "text_similarity"

    def __call__(self, completion):
        return Score(token_f1(block(completion), completion.sample.options[0]), "without a limit of words")


def test_a_similarity_that_pays_two_answers_in_one_is_caught(asked):
    found = paid_more_than_plainly(Shipped([WeightedTerm(Hedged(), 1.0)], Missing.GROUP_MEAN), asked)
    assert {line.split(":")[0] for line in found} >= {"A or B", "A, not B", "A/B", "JSON of all options"}
