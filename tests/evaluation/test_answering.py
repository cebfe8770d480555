from dataclasses import replace

import pytest
import torch
from tiny import PEFT_WARNING, samples, tiny_encoder, tiny_policy

from pathvlm_r1.contract import CONTRACTS, Contract
from pathvlm_r1.evaluation import Answerer, Asker, predictions_of
from pathvlm_r1.evaluation.answering import BATCHES_AT_ONCE
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.rollout import Decoding, NativeEngine, SampledCompletion

pytestmark = PEFT_WARNING
ASKED = 11


class RecordingEngine(NativeEngine):
    """Remembers how many prompts each call had."""

    def __init__(self, rows_per_batch):
        super().__init__(end_ids=tiny_encoder().end_ids, rows_per_batch=rows_per_batch)
        self.calls = []

    def sample(self, policy, prompts, group_size, decoding, generator):
        self.calls.append(len(prompts))
        return super().sample(policy, prompts, group_size, decoding, generator)


def answered(rows_per_batch, decodes=1, *, with_letters=False):
    engine = RecordingEngine(rows_per_batch)
    answerer = Answerer(
        encoder=SampleEncoder(tiny_encoder(), Contract()), engine=engine, decoding=Decoding(6, 0.0), terms=[],
        decodes=decodes,
    )  # fmt: skip
    answers = list(answerer(tiny_policy(), samples(ASKED), seed=0, with_letters=with_letters))
    return answers, engine.calls


@pytest.mark.medium
@pytest.mark.parametrize("rows_per_batch", [1, 2, 4, 64])
def test_answers_come_in_the_order_of_the_questions_whatever_the_batches(rows_per_batch):
    alone, _ = answered(64, with_letters=True)
    answers, calls = answered(rows_per_batch, with_letters=True)
    assert [group[0].sample_id for group in answers] == [sample.sample_id for sample in samples(ASKED)]
    assert answers == alone
    assert len({group[0].likeliest_letter for group in answers}) > 1
    assert max(calls) <= BATCHES_AT_ONCE * rows_per_batch
    assert sum(calls) == ASKED


def test_an_engine_gets_several_of_its_batches_at_once_to_put_like_lengths_together():
    _, calls = answered(4, decodes=2)
    assert calls == [BATCHES_AT_ONCE * 2, ASKED - BATCHES_AT_ONCE * 2]


def test_every_question_has_its_decodes():
    answers, _ = answered(2, decodes=3)
    assert [[prediction.decode for prediction in group] for group in answers] == [[0, 1, 2]] * ASKED


def test_answers_do_not_touch_the_global_generator():
    before = torch.get_rng_state()
    answered(4)
    assert torch.equal(before, torch.get_rng_state())


def asker(decoding, rows_per_batch=2, decodes=1, longest=0):
    engine = RecordingEngine(rows_per_batch)
    encoder = SampleEncoder(tiny_encoder(), Contract())
    return Asker(encoder, engine, decoding, decodes=decodes, longest=longest)


@pytest.mark.medium
@pytest.mark.parametrize("decoding", [Decoding(6, 0.0), Decoding(6, 1.0)], ids=["greedy", "sampled"])
def test_a_portion_is_the_same_whichever_stood_before_it(decoding):
    ask = asker(decoding, decodes=2)
    whole = list(ask(tiny_policy(), samples(ASKED), seed=3))
    assert ask.portion == BATCHES_AT_ONCE
    assert [len(portion) for portion in whole] == [4, 4, 3]
    assert list(ask(tiny_policy(), samples(ASKED), seed=3, start=ask.portion)) == whole[1:]


def test_draws_differ_between_portions_and_seeds():
    ask = asker(Decoding(6, 1.0), rows_per_batch=1)
    same = samples(1) * 8  # the same question in two portions
    first, second = ask(tiny_policy(), same, seed=0)
    assert [one.text for (one,) in first] != [one.text for (one,) in second]
    other, _ = ask(tiny_policy(), same, seed=1)
    assert first != other


class EndingEngine(NativeEngine):
    """Greedy completions that end after as many tokens as a prompt's place says; the cap cuts them."""

    lengths = (2, 4, 9, 40, 3)

    def __init__(self, prompts):
        super().__init__(end_ids=tiny_encoder().end_ids, rows_per_batch=64)
        self.length_of = {tuple(p.token_ids): length for p, length in zip(prompts, self.lengths, strict=True)}
        self.caps = []

    def sample(self, policy, prompts, group_size, decoding, generator):
        del policy, generator
        cap = decoding.max_completion_tokens
        self.caps.append((cap, len(prompts)))
        lengths = [self.length_of[tuple(prompt.token_ids)] for prompt in prompts]
        made = [SampledCompletion([5] * min(length, cap), torch.zeros(cap), length <= cap) for length in lengths]
        return [[one] * group_size for one in made]


@pytest.mark.parametrize(
    ("temperature", "longest", "calls", "tokens"),
    [
        (0.0, 0, [(4, 5)], [2, 4, 4, 4, 3]),
        (0.0, 64, [(4, 5), (8, 2), (16, 2), (32, 1), (64, 1)], [2, 4, 9, 40, 3]),
        (0.0, 20, [(4, 5), (8, 2), (16, 2), (20, 1)], [2, 4, 9, 20, 3]),
        (1.0, 20, [(20, 5)], [2, 4, 9, 20, 3]),
    ],
)
def test_a_greedy_cap_is_raised_for_what_it_cut_and_a_drawn_answer_is_never_drawn_again(
    temperature, longest, calls, tokens
):
    encoder = SampleEncoder(tiny_encoder(), Contract())
    engine = EndingEngine([encoder.prompt(sample) for sample in samples(5)])
    ask = Asker(encoder, engine, Decoding(4, temperature), longest=longest)
    (portion,) = ask(tiny_policy(), samples(5), seed=0)
    assert engine.caps == calls
    assert [one.tokens for (one,) in portion] == tokens
    assert [one.is_capped for (one,) in portion] == [
        have < wanted for have, wanted in zip(tokens, EndingEngine.lengths, strict=True)
    ]
    assert all(one.tokens <= one.cap for (one,) in portion)


@pytest.mark.medium
def test_greedy_answers_in_float32_are_the_same_for_batches_of_one_and_of_sixteen():
    """Padding and batching only round: sixteen questions, padded to the longest, answer as each does alone."""

    def texts(rows_per_batch):
        portions = asker(Decoding(12, 0.0), rows_per_batch)(tiny_policy(), asked, seed=0)
        return [one.text for portion in portions for (one,) in portion]

    asked = [
        replace(sample, question=sample.question + " Please." * (7 * place % 16))  # of sixteen lengths
        for place, sample in enumerate(samples(16))
    ]
    assert texts(1) == texts(16)
    assert len(set(texts(1))) > 1


def test_one_pass_is_read_by_every_contract_that_asks_alike():
    groups = [group for portion in asker(Decoding(6, 0.0))(tiny_policy(), samples(3), seed=0) for group in portion]
    by_contract = {
        name: [p for (p,) in predictions_of(samples(3), groups, CONTRACTS[name], [])]
        for name in ("vlmevalkit_v1", "vlmevalkit_v1_with_miscounts")
    }
    plain, counting = by_contract.values()
    assert [p.completion for p in plain] == [p.completion for p in counting]
    assert [p.prompt_hash for p in plain] == [p.prompt_hash for p in counting]
    assert all(p.answer is None and not p.is_guessed for p in plain)
    assert all(p.answer is not None and p.is_guessed for p in counting)
