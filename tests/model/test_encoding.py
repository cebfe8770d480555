from dataclasses import replace

from tiny import samples, tiny_encoder

from pathvlm_r1.contract import Contract
from pathvlm_r1.model import SampleEncoder


def test_the_same_question_about_another_picture_is_another_prompt():
    first, second = samples(2)
    encoder = SampleEncoder(tiny_encoder(), Contract())
    control = replace(first, image=second.image, image_id=second.image_id)
    assert encoder.prompt(first) is encoder.prompt(first)
    assert encoder.prompt(control).image_key != encoder.prompt(first).image_key
    assert encoder.prompt(control).token_ids == encoder.prompt(first).token_ids
