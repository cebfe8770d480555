import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import real_architecture
from real_architecture import TEXT_LAYERS, VISION_LAYERS, VOCABULARY_ROWS, real_model, real_tokenizer

from pathvlm_r1.contract import Contract
from pathvlm_r1.model.nano import nano_processor
from pathvlm_r1.model.processor import load_processor, save_processor

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
IDS = {
    "<|endoftext|>": 151_643, "<|im_start|>": 151_644, "<|im_end|>": 151_645, "<|vision_start|>": 151_652,
    "<|vision_end|>": 151_653, "<|vision_pad|>": 151_654, "<|image_pad|>": 151_655, "<|video_pad|>": 151_656,
    "<|file_sep|>": 151_664,
}  # fmt: skip

PEAK_MEMORY = Path(__file__).parents[1] / "bad_input" / "peak_memory.py"

pytestmark = pytest.mark.medium


@pytest.fixture(scope="session")
def tokenizer():
    return real_tokenizer()


@pytest.fixture(scope="session")
def report(tokenizer, tmp_path_factory):
    """One step of SFT and one of GRPO in a process of their own, whose peak memory is theirs alone."""
    folder = tmp_path_factory.mktemp("real_architecture")
    real_model(tokenizer).save_pretrained(folder)
    save_processor(nano_processor(tokenizer), folder)
    command = [sys.executable, PEAK_MEMORY, sys.executable, real_architecture.__file__, str(folder)]
    done = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True)  # noqa: S603  our own scripts
    config = json.loads((folder / "config.json").read_text())
    mebibytes = float(done.stdout.rsplit("peak ", 1)[1])
    return json.loads((folder / "report.json").read_text()) | {"config": config, "peak_mebibytes": mebibytes}


def test_the_tokenizer_is_qwens(tokenizer, tmp_path):
    assert len(tokenizer) == 151_665
    assert {name: tokenizer.convert_tokens_to_ids(name) for name in IDS} == IDS
    assert [tokenizer.decode([token]) for token in tokenizer("<think>")["input_ids"]] == ["<th", "ink", ">"]
    text = "Gleason 3 + 4 = 7; p53 überexprimiert, 核分裂 12/10 HPF.\n\n  <answer>B</answer>"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer("hello world")["input_ids"] == [14_990, 1_879]  # as published for Qwen2.5
    save_processor(nano_processor(tokenizer), tmp_path)
    assert load_processor(tmp_path).tokenizer(text)["input_ids"] == ids
    assert Contract().name == "think_answer_v1"


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_the_adapter_sits_on_the_language_models_linear_layers_and_nowhere_else(report, stage):
    adapted = report[stage]["adapted"]
    assert len(adapted) == TEXT_LAYERS * len(LINEAR_LAYERS) == 252
    assert not [name for name in adapted if "visual" in name]
    assert {name.rpartition(".")[2] for name in adapted} == set(LINEAR_LAYERS)


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_a_step_changes_the_adapter_and_nothing_else(report, stage):
    changed = report[stage]["changed"]
    assert all(".lora_B." in name for name in changed)  # the first factor's gradient is 0 while the second is 0
    assert len(changed) == TEXT_LAYERS * len(LINEAR_LAYERS)


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_a_picture_of_odd_size_is_rounded_to_whole_tokens(report, stage):
    assert report[stage]["grid"] == [[1, 4, 8]]  # 101 x 67 to 112 x 56
    assert report[stage]["picture_tokens"] == 8
    assert report[stage]["suppressed"] == 5 + VOCABULARY_ROWS - 151_665


def test_the_loss_of_an_untrained_model_is_that_of_a_uniform_guess(report):
    assert report["sft"]["metrics"]["sft/loss"] == pytest.approx(math.log(VOCABULARY_ROWS), rel=0.05)
    assert report["sft"]["metrics"]["sft/gradient_norm"] > 0


def test_the_first_grpo_step_is_on_policy_and_at_the_reference(report):
    metrics = report["grpo"]["metrics"]
    assert abs(metrics["grpo/kl_first"]) < 1e-6
    assert metrics["grpo/ratio"] == pytest.approx(1, abs=1e-5)
    assert metrics["grpo/sampler_mismatch"] < 1e-4
    assert metrics["grpo/completion_tokens_max"] <= 8
    assert metrics["grpo/gradient_norm"] > 0


def test_memory_and_time_stay_small(report):
    assert 200 <= report["peak_mebibytes"] <= 4096
    assert report["cpu_seconds"] <= 60


def test_the_depths_are_those_of_the_3b_model(report):
    layers = {int(re.search(r"layers\.(\d+)\.", name)[1]) for name in report["sft"]["adapted"]}
    assert layers == set(range(TEXT_LAYERS))
    assert report["config"]["vision_config"]["depth"] == VISION_LAYERS
    assert report["config"]["text_config"]["vocab_size"] == VOCABULARY_ROWS
