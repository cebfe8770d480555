"""A completion may be as long as the nano model's cap: no reference that it learns from may be longer."""

import pytest
from running import composed

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.model import Encoder
from pathvlm_r1.model.processor import load_processor


@pytest.mark.medium
@pytest.mark.parametrize("typed", [["dataset=phantom"], ["dataset=bccd", "dataset.rl_share=0.5"]], ids=" ".join)
def test_every_reference_fits_with_its_end_token(typed, bccd_root):
    root = [f"dataset.root={bccd_root}"] if "dataset=bccd" in typed else []
    config = TrainConfig.checked(composed("train", *typed, *root))
    encoder = Encoder(load_processor(str(EMBEDDED_FOLDER), max_pixels=config.model.max_pixels))
    targets = [Contract().target(s) for split in ("sft", "rl") for s in load_samples(config.dataset, split)]
    assert max(len(encoder.completion(target)) for target in targets) <= config.model.max_completion_tokens
