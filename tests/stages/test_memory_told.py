"""The predicted peak as a run tells it, and what it says of 3B on one card: predicted from shapes, not measured."""

import logging
import re
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from composing import composed
from grpo_runs import fitted
from tiny import LIGHTNING_WARNINGS, PEFT_WARNING, samples, tiny_encoder, tiny_policy
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from pathvlm_r1.assembly.policies import _attach
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.model import Policy, SampleEncoder, StepSizes, predicted_peak, reference_of
from pathvlm_r1.stages.memory import AUTOCASTS, TellPeakMemory, first_grpo_sizes, first_sft_sizes, grpo_sizes, shortage
from pathvlm_r1.stages.sft import learned_tokens

README = (Path(__file__).parents[2] / "README.md").read_text()
ON_ONE_CARD = re.search(
    r"^    python src/train\.py (.*model=qwen2_5_vl_3b.*tokens_per_forward=.*)$", README, re.MULTILINE
)
CARD = 24e9  # bytes; 22.4 GiB
OURS = 1.0e9  # of them for the device's context and libraries, which are not predicted
GIB = 2**30
QWEN_3B = Qwen2_5_VLConfig(
    text_config={
        "hidden_size": 2048, "intermediate_size": 11_008, "num_hidden_layers": 36, "num_attention_heads": 16,
        "num_key_value_heads": 2, "vocab_size": 151_936, "tie_word_embeddings": True,
    },
    vision_config={
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048,
    },
    tie_word_embeddings=True,
)  # fmt: skip
LONG_PROMPT, VISUAL = 512, 83  # tokens of a prompt with a picture of 65,536 pixels, and its own

pytestmark = [PEFT_WARNING, *LIGHTNING_WARNINGS]


def peak_of_3b(typed):
    """Of a command for Qwen2.5-VL-3B, whose weights exist nowhere."""
    config = TrainConfig.checked(composed("train", *typed))
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(QWEN_3B)
        model.to(torch.bfloat16 if config.adapter.name == "lora" else torch.float32)  # as `load_policy` has it
        if config.model.gradient_checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        trained = _attach(model, config.adapter, is_dropout_on=False)
        policy = Policy(trained, suppressed_ids=[0], temperature=1.0, cached_pictures=0)
    sizes = grpo_sizes(
        prompts=config.stage.prompts_per_step, prompt_tokens=LONG_PROMPT, group_size=config.stage.group_size,
        completion_tokens=config.model.max_completion_tokens, tokens_per_forward=config.stage.tokens_per_forward,
        rows_per_batch=config.rollout.rows_per_batch, visual_tokens=4096 * VISUAL,
    )  # fmt: skip
    autocast = AUTOCASTS[config.trainer["precision"]]
    return predicted_peak(policy, sizes, device="cuda", autocast=autocast, reference=reference_of(policy))


@pytest.mark.medium
def test_3b_with_an_adapter_is_predicted_to_fit_one_card_of_24_gigabytes():
    typed = shlex.split(ON_ONE_CARD[1])
    peak = peak_of_3b(typed)
    assert peak.total < CARD - OURS
    (said,) = re.findall(r"predicted, not measured: ([\d.]+) GiB", README)
    assert float(said) == pytest.approx(peak.total / GIB, abs=0.05)
    assert shortage(peak, int(CARD), "stage.tokens_per_forward") is None
    more = peak_of_3b([*typed, "stage.tokens_per_forward=65536", "stage.prompts_per_step=64"])
    assert "lower stage.tokens_per_forward" in shortage(more, int(CARD), "stage.tokens_per_forward")
    assert "adapter=lora" in shortage(peak_of_3b([*typed, "adapter=full"]), int(CARD), "stage.tokens_per_forward")


def test_a_pass_is_of_the_tokens_that_it_may_take_and_of_no_more_than_there_are():
    asked = {
        "prompts": 2, "prompt_tokens": 100, "group_size": 8, "completion_tokens": 50, "rows_per_batch": 8,
        "visual_tokens": 0,
    }  # fmt: skip
    assert grpo_sizes(**asked, tokens_per_forward=1500).tokens == 1000  # both groups, whole
    assert grpo_sizes(**asked, tokens_per_forward=999).tokens == 500  # one of them
    assert grpo_sizes(**asked, tokens_per_forward=320).tokens == 300  # four completions with their prompt
    assert grpo_sizes(**asked, tokens_per_forward=10).tokens == 150  # one, however long it is
    assert grpo_sizes(**asked, tokens_per_forward=999).completions_decoded == 8
    assert grpo_sizes(**asked | {"rows_per_batch": 0}, tokens_per_forward=999).completions_decoded == 0


def test_a_pass_of_sft_is_that_of_its_longest_rows():
    encode, questions = SampleEncoder(tiny_encoder(), Contract()).row, samples(5)
    module = SimpleNamespace(
        trainer=SimpleNamespace(datamodule=ItemStream.shuffled(questions, batch_size=5, seed=0)), encode=encode,
        rows_per_forward=2, policy=tiny_policy(),
    )  # fmt: skip
    sizes = first_sft_sizes(module, pictures=3)
    batch = tiny_encoder().batch(sorted([encode(one) for one in questions], key=lambda row: row.length)[-2:])
    assert (sizes.rows, sizes.row_tokens) == tuple(batch.input_ids.shape)
    assert sizes.scored_tokens == learned_tokens([batch])
    assert sizes.features == 3 * int(batch.mm_token_type_ids.sum(dim=1).max())


def test_too_long_a_rollout_names_its_own_key():
    policy = tiny_policy()
    sizes = grpo_sizes(
        prompts=64, prompt_tokens=2000, group_size=8, completion_tokens=50, tokens_per_forward=256, rows_per_batch=512,
        visual_tokens=0,
    )  # fmt: skip
    peak = predicted_peak(policy, replace(sizes, rows=1, row_tokens=8, scored_tokens=8), device="cuda")
    assert "lower rollout.rows_per_batch" in shortage(peak, peak.total - 1, "stage.tokens_per_forward")


def test_where_gradients_alone_are_too_much_no_size_of_a_pass_is_advised():
    least = predicted_peak(tiny_policy(), StepSizes(rows=1, row_tokens=8, scored_tokens=4), device="cuda")
    peak = replace(least, activations=10 * least.total)
    floor = peak.standing + peak.gradients + peak.update
    assert "lower stage.tokens_per_forward" in shortage(peak, floor, "stage.tokens_per_forward")
    assert "no pass is small enough" in shortage(peak, floor - 1, "stage.tokens_per_forward")


def test_a_run_tells_its_peak_before_the_first_step(tmp_path, caplog):
    told = []

    def note(module):
        sizes = first_grpo_sizes(module, pictures=3)
        told.append(module.global_step)
        return sizes

    with caplog.at_level(logging.INFO, logger="pathvlm_r1"):
        fitted(tmp_path, tiny_policy(), callbacks=[TellPeakMemory(note, key="stage.tokens_per_forward")])
    (line,) = [record.getMessage() for record in caplog.records if "predicted peak" in record.getMessage()]
    assert told == [0]
    for part in ("weights", "reference", "optimiser", "features", "gradients", "activations", "workspace", "sampling"):
        assert part in line
