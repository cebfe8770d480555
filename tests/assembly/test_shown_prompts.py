"""Shown prompts are what the model gets: what is read there becomes the same tokens again."""

import re

import pytest
from defective_pictures import drawn, sample_on
from omegaconf import OmegaConf
from running import composed, entry

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.assembly.shown_prompts import RULE, prompts_text
from pathvlm_r1.config import ConfigError, DataConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.model import Encoder, SampleEncoder
from pathvlm_r1.model.processor import load_processor


def model(**changes):
    settings = composed("data", "task=show").copy()
    OmegaConf.update(settings, "model", changes, merge=True)
    return DataConfig.checked(settings).model


@pytest.fixture
def samples(tmp_path):
    for number, size in enumerate(((64, 48), (400, 300), (112, 112))):
        drawn(number, size).save(tmp_path / f"{number}.png")
    files = tuple(FileImage(tmp_path / f"{number}.png") for number in range(3))
    return [
        sample_on(files[0].path, 1, rationale="The cells lie in nests."),
        sample_on(files[1].path, 2, images=files, question="Which differs?\nLook well: 3 < 4."),
        sample_on(files[2].path, 3, options=("a gland",), answer="A", rationale="word " * 200),
    ]


def test_the_text_becomes_the_very_tokens_again(samples):
    blocks = prompts_text(model(), {"drawn": samples}).split(f"\n{RULE}\n")[1:]
    encoder = Encoder(load_processor(EMBEDDED_FOLDER, max_pixels=65536))
    for block, sample in zip(blocks, samples, strict=True):
        prompt = SampleEncoder(encoder, Contract()).prompt(sample)
        assert f"prompt: {len(prompt.token_ids)} tokens\n" in block
        shown = block[block.index("<|im_start|>") : block.index("\nreference: ")]
        expanded = re.sub(r"<\|image_pad\|>\*(\d+)", lambda run: "<|image_pad|>" * int(run[1]), shown)
        assert encoder.tokenizer(expanded)["input_ids"] == prompt.token_ids
        assert block.count("\npicture ") == len(sample.images)


def test_scaled_pictures_and_references_that_do_not_fit_are_named(samples):
    text = prompts_text(model(), {"drawn": samples})
    assert "picture 2: 400 x 300 pixels, scaled to 280 x 196 (model.max_pixels=65536), grid 1 x 14 x 20" in text
    assert "picture 3: 112 x 112 pixels, grid 1 x 8 x 8 of patches, 16 tokens" in text
    assert text.count("over model.max_completion_tokens=96: sampled so, it would be cut") == 1


def test_the_prompts_stand_beside_the_sheet_for_the_model_that_is_asked_for(tmp_path):
    outcome = entry("data", "dataset=phantom_ct", "n=2", f"out={tmp_path / 'a.png'}", "model.max_pixels=3136")
    assert outcome.status == 0, outcome.text
    text = (tmp_path / "a.prompts.txt").read_text()
    assert text.count("phantom_ct phantom_ct/test/") == 2
    assert text.count("scaled to 56 x 56 (model.max_pixels=3136), grid 1 x 4 x 4 of patches, 4 tokens") == 2


def test_a_sheet_shows_other_pictures_and_other_kinds_before_a_second_of_one(bccd_root, tmp_path):
    outcome = entry("data", "dataset=bccd", f"dataset.root={bccd_root}", "n=9", f"out={tmp_path / 'a.png'}")
    assert outcome.status == 0, outcome.text
    asked = re.findall(r"^bccd (\w+)/(\w+)$", (tmp_path / "a.prompts.txt").read_text(), flags=re.MULTILINE)
    assert len({picture for picture, _ in asked[:6]}) == 6
    assert {kind for _, kind in asked[:3]} == {"comparison", "platelets", "red_cells"}


def test_a_model_without_a_processor_and_lines_that_show_no_prompt_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        prompts_text(model(checkpoint=str(tmp_path / "none")), {})
    outcome = entry("data", "format=jsonl", "model=nano", f"out={tmp_path / 'a.jsonl'}")
    assert outcome.status == 2
    assert "model: format=jsonl shows no prompts; leave it out" in outcome.stderr
