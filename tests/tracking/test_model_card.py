"""The card of an export: a head that a hub reads, and nothing that the manifest does not hold."""

from dataclasses import replace

from huggingface_hub import ModelCard

from pathvlm_r1.tracking import DataRecord, ParentRecord, model_card, new_manifest

CONFIG = {
    "model": {"name": "nano"}, "adapter": {"name": "lora"}, "reward": {"name": "dual"}, "judge": {"name": "oracle"},
    "objective": {"name": "grpo"},
}  # fmt: skip
MEASURED = {"best_step": 40, "validation/accuracy": 0.75, "validation/process": None, "grpo/kl": 0.1}


def manifest_of(parent, stage="grpo"):
    started = new_manifest(
        name="grpo-phantom-s0", arm=stage, stage=stage, config=CONFIG, content_hash="c" * 64,
        data=DataRecord(name="phantom", hash="d" * 64), parent=parent, seeds={"seed": 3},
    )  # fmt: skip
    return replace(started, measured=MEASURED)


def test_the_hub_reads_its_head():
    card = ModelCard(model_card(manifest_of(ParentRecord(id="Qwen/Qwen2.5-VL-3B-Instruct"))))
    assert card.data.base_model == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "image-text-to-text"
    assert card.data.tags == ["pathvlm-r1", "grpo", "nano"]


def test_it_says_what_was_learned_from_and_what_was_measured():
    text = model_card(manifest_of(None))
    for part in (
        "random weights",
        "d" * 64,
        "c" * 64,
        "seed 3",
        "`dual`, `oracle`",
        "| accuracy | 0.750 |",
        "step 40:",
    ):
        assert part in text
    assert "process score" not in text, "there was none"
    assert "`dual`" not in model_card(manifest_of(None, stage="sft")), "SFT has no reward"


def test_no_path_of_this_machine_is_in_it():
    parent = ParentRecord(path="/elsewhere/outputs/sft-s0/export", run="/elsewhere/outputs/sft-s0", hash="a" * 64)
    text = model_card(manifest_of(parent))
    assert "`sft-s0`" in text
    assert "/elsewhere" not in text
    assert "base_model" not in text
