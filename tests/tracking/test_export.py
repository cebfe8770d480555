import importlib.util
import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from safetensors import safe_open
from torch.testing import assert_close
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from pathvlm_r1.model.nano import nano_model, nano_processor, train_tokenizer
from pathvlm_r1.model.processor import load_processor
from pathvlm_r1.tracking import TrackingError, export_model

SENTENCES = [
    "The glands are crowded and the nuclei are large.", "There are many mitoses in this field.",
    "The stroma is loose.", "Keratin pearls point to a squamous origin.", "What is the most likely diagnosis?",
    "The answer is B.", "Lymphocytes lie between the glands.", "Necrosis is seen at the lower edge.",
    "The nuclei are small and even.", "No findings stand out.",
]  # fmt: skip
TARGET = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft 0.21


@pytest.fixture(scope="module")
def processor():
    return nano_processor(train_tokenizer(SENTENCES, 320))


def full_model(processor):
    return nano_model(processor.tokenizer, hidden=32, layers=2, vision_hidden=48, vision_layers=1, seed=0).eval()


def lora_model(processor, target=TARGET):
    model = get_peft_model(full_model(processor), LoraConfig(r=4, lora_alpha=8, target_modules=target))
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # zero at the start, when an unmerged adapter would go unnoticed
            torch.nn.init.normal_(parameter, std=0.2, generator=generator)
        elif "lora_A" in name:
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    return model.eval()


@torch.no_grad()
def logits(model, processor):
    content = [{"type": "image"}, {"type": "text", "text": SENTENCES[4]}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    picture = Image.linear_gradient("L").convert("RGB")
    return model(**processor(text=[text], images=[picture], return_tensors="pt")).logits


def contents(folder):
    """Every file below a folder, by its relative name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_stock_class_computes_the_same_logits_bit_for_bit(tmp_path, processor):
    model = full_model(processor)
    export_model(model, processor, tmp_path / "export", {})
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "export")
    assert type(loaded) is type(model)
    assert_close(logits(loaded, processor), logits(model, processor), rtol=0, atol=0)


def test_a_merged_adapter_computes_the_same_logits_and_the_adapter_alone_does_too(tmp_path, processor):
    model = lora_model(processor)
    export_model(model, processor, tmp_path / "export", {})
    expected = logits(model, processor)
    merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "export")
    rounding = 4e-6 * float(expected.abs().max())  # 34 steps of float32; processors differ in 13
    assert_close(logits(merged, processor), expected, rtol=1e-5, atol=rounding)
    with_adapter = PeftModel.from_pretrained(full_model(processor), tmp_path / "export" / "adapter").eval()
    assert_close(logits(with_adapter, processor), expected, rtol=0, atol=0)
    assert (logits(full_model(processor), processor) - expected).abs().max() > 1e-2  # the adapter does something


def test_exporting_leaves_the_model_as_it_was(tmp_path, processor):
    model = lora_model(processor)
    model.get_base_model().generation_config.temperature = 1e-6
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export_model(model, processor, tmp_path / "export", {})
    assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert model.get_base_model().generation_config.temperature == 1e-6


def test_weights_have_the_names_of_the_published_checkpoints(tmp_path, processor):
    for model in (full_model(processor), lora_model(processor)):
        export_model(model, processor, tmp_path / "export", {})
        with safe_open(tmp_path / "export" / "model.safetensors", "pt") as weights:
            names = set(weights.keys())
        assert {"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight"} <= names
        assert "visual.blocks.0.attn.qkv.weight" in names
        assert not [name for name in names if "lora" in name or "base" in name]


@pytest.mark.medium
def test_two_exports_are_equal_byte_for_byte_and_the_second_replaces_the_first(tmp_path, processor):
    listed = lora_model(processor, ["q_proj", "v_proj", "o_proj"])  # peft keeps a set, in any order
    for model in (full_model(processor), lora_model(processor), listed):
        export_model(model, processor, tmp_path / "export", {"run": "a"})
        first = contents(tmp_path / "export")
        (tmp_path / "export" / "leftover").touch()
        export_model(model, processor, tmp_path / "export", {"run": "a"})
        assert contents(tmp_path / "export") == first
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    settings = json.loads((tmp_path / "export" / "adapter" / "adapter_config.json").read_text())
    assert settings["target_modules"] == ["o_proj", "q_proj", "v_proj"]


def test_no_sampling_setting_and_no_place_of_training_leaks_into_the_folder(tmp_path, processor):
    model = full_model(processor)
    model.config.name_or_path = "/home/someone/parent"
    model.generation_config.update(do_sample=True, temperature=1e-6, repetition_penalty=1.05, top_k=1)
    export_model(model, processor, tmp_path / "export", {})
    generation = json.loads((tmp_path / "export" / "generation_config.json").read_text())
    assert set(generation) == {"do_sample", "bos_token_id", "eos_token_id", "pad_token_id", "transformers_version"}
    assert generation["do_sample"] is False
    assert "someone" not in (tmp_path / "export" / "config.json").read_text()


def test_the_folder_names_stock_classes_only(tmp_path, processor):
    export_model(full_model(processor), processor, tmp_path / "export", {})
    config = json.loads((tmp_path / "export" / "config.json").read_text())
    assert config["architectures"] == ["Qwen2_5_VLForConditionalGeneration"]
    for path in (tmp_path / "export").glob("*.json"):
        assert "ImageTextProcessor" not in path.read_text()
        assert "ProcessorPil" not in path.read_text()


def test_tokenizer_and_processor_read_back_as_they_were(tmp_path, processor):
    export_model(full_model(processor), processor, tmp_path / "export", {})
    stock = AutoTokenizer.from_pretrained(tmp_path / "export")
    ours = load_processor(tmp_path / "export")
    text = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>The glands<|im_end|>"
    assert stock(text)["input_ids"] == processor.tokenizer(text)["input_ids"]
    assert stock.chat_template == ours.chat_template == processor.chat_template
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "export")
    assert_close(logits(model, ours), logits(full_model(processor), processor), rtol=0, atol=0)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="the stock processor needs torchvision")
def test_the_stock_processor_reads_the_folder(tmp_path, processor):
    export_model(full_model(processor), processor, tmp_path / "export", {})
    stock = AutoProcessor.from_pretrained(tmp_path / "export")
    assert type(stock).__name__ == "Qwen2_5_VLProcessor"


def test_provenance_stands_beside_the_weights(tmp_path, processor):
    export_model(full_model(processor), processor, tmp_path / "export", {"run": "20260101-000000-sft", "step": 10})
    text = (tmp_path / "export" / "provenance.json").read_text()
    assert json.loads(text) == {"run": "20260101-000000-sft", "step": 10}


def test_an_export_that_fails_half_way_keeps_the_older_one_and_leaves_nothing_else(tmp_path, processor, monkeypatch):
    export_model(full_model(processor), processor, tmp_path / "export", {"run": "older"})
    before = contents(tmp_path / "export")

    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathvlm_r1.tracking.export.save_processor", no_room)
    with pytest.raises(TrackingError, match=r"export: no room .*the older export is unchanged"):
        export_model(full_model(processor), processor, tmp_path / "export", {"run": "newer"})
    assert contents(tmp_path / "export") == before
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_bfloat16_weights_stay_bfloat16(tmp_path, processor):
    model = lora_model(processor).to(torch.bfloat16)
    export_model(model, processor, tmp_path / "export", {})
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "export")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}
