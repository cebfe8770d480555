import pytest
import torch
from tiny import PEFT_WARNING, samples, tiny_encoder, tiny_policy

from pathvlm_r1.contract import Contract
from pathvlm_r1.evaluation import Answerer
from pathvlm_r1.evaluation.answering import BATCHES_AT_ONCE
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.rollout import Decoding, NativeEngine

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
