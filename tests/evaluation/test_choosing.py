"""Letters compared on a real policy, against one plain forward pass for each letter."""

from dataclasses import replace

import pytest
import torch
from tiny import PEFT_WARNING, samples, tiny_encoder, tiny_policy

from pathvlm_r1.contract import Contract
from pathvlm_r1.evaluation import Chooser, blank_images, shuffled_images
from pathvlm_r1.evaluation.choosing import rotated
from pathvlm_r1.model import EncodedRow, SampleEncoder

pytestmark = PEFT_WARNING
PREFIX = "<answer>"


@torch.no_grad()
def plainly(policy, sample, prefix):
    """Of each letter, from the logits of its own row."""
    encoder = SampleEncoder(tiny_encoder(), Contract())
    found = []
    for letter in sample.letters:
        ids = encoder.encoder.tokenizer(prefix + letter)["input_ids"]
        row = EncodedRow(encoder.prompt(sample), ids)
        logits = policy.raw_logits(policy.hidden_states(encoder.encoder.batch([row])))[0]
        places = range(len(row.prompt.token_ids) - 1, row.length - 1)
        steps = zip(places, ids, strict=True)
        found.append(float(sum(logits[place].log_softmax(-1)[token] for place, token in steps)))
    return found


@pytest.mark.parametrize("rows_per_batch", [1, 64])
def test_every_letter_has_the_log_probability_of_a_plain_pass_in_every_order_and_with_every_picture(rows_per_batch):
    policy = tiny_policy().eval()
    asked = samples(3)
    chooser = Chooser(SampleEncoder(tiny_encoder(), Contract()), PREFIX, rows_per_batch)
    for place, (sample, choice) in enumerate(zip(asked, chooser(policy, asked), strict=True)):
        for by, order in enumerate(choice.orders):
            options = sample.options[by:] + sample.options[:by]
            turned = replace(sample, options=options, answer="A", sample_id=f"turned {by}")
            assert order == pytest.approx(plainly(policy, turned, PREFIX), abs=1e-4)  # float32, packed and padded
        other = replace(sample, images=asked[(place + 1) % 3].images, image_id="other")
        assert choice.shuffled == pytest.approx(plainly(policy, other, PREFIX), abs=1e-4)
        grey = blank_images([sample])[0]
        assert choice.blank == pytest.approx(plainly(policy, grey, PREFIX), abs=1e-4)
        assert sample.letters[choice.reference] == sample.answer
        assert len(set(choice.orders)) == len(sample.options), (
            "an order that is asked under another's id would repeat it"
        )


def test_moved_options_keep_their_answer():
    sample = samples(1)[0]
    for by in range(len(sample.options)):
        moved = rotated(sample, by)
        assert moved.option(moved.answer) == sample.option(sample.answer)
        assert sorted(moved.options) == sorted(sample.options)
    assert rotated(sample, 0) == sample


def test_a_shuffled_picture_is_never_the_questions_own_though_pictures_have_several_questions():
    asked = [replace(sample, image_id=f"i{place // 2}") for place, sample in enumerate(samples(7))]
    pictures = {sample.image_id: place for place, sample in enumerate(asked)}
    for sample, shuffled in zip(asked, shuffled_images(asked), strict=True):
        name = shuffled.image_id.removesuffix("#shuffled")
        assert name != sample.image_id
        assert name in pictures
    assert [s.image_id for s in shuffled_images(asked)][:3] == ["i1#shuffled", "i1#shuffled", "i2#shuffled"]
    with pytest.raises(ValueError, match="one picture"):
        shuffled_images(asked[:2])
