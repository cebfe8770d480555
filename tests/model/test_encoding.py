from dataclasses import dataclass, replace

import pytest
import torch
from PIL import Image
from tiny import Noise, samples, tiny_encoder

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.model import SampleEncoder


def test_the_same_question_about_another_picture_is_another_prompt():
    first, second = samples(2)
    encoder = SampleEncoder(tiny_encoder(), Contract())
    control = replace(first, images=second.images, image_id=second.image_id)
    assert encoder.prompt(first) is encoder.prompt(first)
    assert encoder.prompt(control).pictures[0].key != encoder.prompt(first).pictures[0].key
    assert encoder.prompt(control).token_ids == encoder.prompt(first).token_ids


def test_the_pictures_of_a_question_stand_in_their_order_each_under_a_name_of_its_own():
    first, second = samples(2)
    several = replace(first, images=(*first.images, *second.images))
    turned = replace(several, images=several.images[::-1], image_id="turned")
    encoder = SampleEncoder(tiny_encoder(), Contract())
    alone, both = encoder.prompt(first), encoder.prompt(replace(several, image_id="both"))
    assert [picture.source for picture in both.pictures] == list(several.images)
    assert [picture.source for picture in encoder.prompt(turned).pictures] == list(turned.images)
    assert len({picture.key for prompt in (alone, both) for picture in prompt.pictures}) == 3
    mark = tiny_encoder().processor.image_token_id
    assert both.token_ids.count(mark) == sum(encoder.prompt(one).token_ids.count(mark) for one in (first, second))


PICTURE_MARK = "<|image_pad|>"


@pytest.mark.parametrize("where", ["question", "options", "rationale"])
def test_a_record_whose_text_holds_image_tokens_is_refused_with_its_id_and_both_counts(where):
    (sample,) = samples(1)
    text = f"{PICTURE_MARK} shows {PICTURE_MARK}"
    record = replace(sample, **{where: (text, *sample.options[1:]) if where == "options" else text})
    features = SampleEncoder(tiny_encoder(), Contract()).prompt(sample).token_ids.count(
        tiny_encoder().processor.image_token_id
    )  # fmt: skip
    counts = "2 image tokens for 0" if where == "rationale" else f"{features + 2} image tokens for {features}"
    with pytest.raises(DatasetError, match=rf"^{sample.dataset} {sample.sample_id}: {counts} image features; "):
        SampleEncoder(tiny_encoder(), Contract()).row(record)


def test_a_prompt_without_a_picture_holds_no_image_token():
    with pytest.raises(ValueError, match="1 image tokens for 0 image features"):
        tiny_encoder().prompt(f"What is {PICTURE_MARK}?")


def test_a_system_text_stands_before_the_user_is_the_templates_own_or_is_left_out():
    encoder = tiny_encoder()
    user = "<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\n"
    turn = "<|im_start|>system\n{}<|im_end|>\n".format
    assert encoder.rendered("Which?") == turn("You are a helpful assistant.") + user
    assert encoder.rendered("Which?", system="Be brief.") == turn("Be brief.") + user
    assert encoder.rendered("Which?", system="") == user


@dataclass(frozen=True)
class Loaded:
    """A picture that is in memory."""

    picture: Image.Image

    def load(self):
        return self.picture


@pytest.mark.parametrize("size", [(112, 112), (640, 480), (97, 30)])
def test_a_picture_at_the_size_that_the_model_reads_is_encoded_to_the_same_bits(size):
    encoder, source = tiny_encoder(), Noise(*size)
    read = encoder.as_read(source.load())
    (own, own_grid), (again, grid) = encoder.pictures([source]), encoder.pictures([Loaded(read)])
    assert torch.equal(own_grid, grid)
    assert torch.equal(own, again)
