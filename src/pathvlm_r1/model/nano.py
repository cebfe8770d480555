"""The embedded nano model: Qwen2.5-VL's own classes and token names at under two million parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pathvlm_r1.model.processor import ImageTextProcessor

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Qwen2.5-VL's special tokens, in its order.
SPECIAL_TOKENS = (
    PAD, START, END,
    "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>",
    "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
    "<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
    "<|repo_name|>", "<|file_sep|>",
)  # fmt: skip
NANO_6M = {"hidden": 256, "layers": 6, "vision_hidden": 120, "vision_layers": 5}  # 6.2 M parameters, all random
_RANDOM_STD = 0.08  # of random weights; with 0.02 all tokens are alike, with trained nano's one token is nearly sure
_EMBEDDING_GAIN = 6.0
_ROW_MULTIPLE = 64  # embedding rows are padded to it, so that there are rows beyond the tokenizer as in the real model

# The dialogue format of Qwen2.5-VL for text and still images.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if loop.first and message.role != 'system' -%}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
    "{%- endif -%}"
    "{{ '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- else -%}{%- for part in message.content -%}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' if part.type == 'image' else part.text }}"
    "{%- endfor -%}{%- endif -%}"
    "{{ '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


def train_tokenizer(corpus: Iterable[str], vocabulary_size: int) -> Qwen2Tokenizer:
    """A byte-level BPE in Qwen's form, trained on a corpus, with Qwen2.5-VL's special tokens by name."""
    tokenizer = Qwen2Tokenizer().train_new_from_iterator(corpus, vocabulary_size, show_progress=False)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(SPECIAL_TOKENS), "eos_token": END, "pad_token": PAD, "unk_token": PAD}
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.padding_side = "left"
    return tokenizer


def nano_processor(tokenizer: Qwen2Tokenizer) -> ImageTextProcessor:
    """The processor with Qwen2.5-VL's image settings."""
    return ImageTextProcessor(Qwen2VLImageProcessorPil(min_pixels=56 * 56), tokenizer, tokenizer.chat_template)


def nano_model(
    tokenizer: Qwen2Tokenizer, *, hidden: int, layers: int, vision_hidden: int, vision_layers: int, seed: int
) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained Qwen2.5-VL of nano size; every token id is read from the tokenizer."""
    heads = hidden // 32
    ids = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": hidden,
            "intermediate_size": 3 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": max(1, heads // 2),
            "vocab_size": -(-len(tokenizer) // _ROW_MULTIPLE) * _ROW_MULTIPLE,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": ids(PAD),
            "eos_token_id": ids(END),
            "pad_token_id": ids(PAD),
            "tie_word_embeddings": True,
            "initializer_range": 1 / math.sqrt(hidden),  # the library's 0.02 suits widths of thousands
        },
        vision_config={
            "depth": vision_layers,
            "hidden_size": vision_hidden,
            "intermediate_size": 2 * vision_hidden,
            "num_heads": vision_hidden // 24,
            "out_hidden_size": hidden,
            "fullatt_block_indexes": list(range(vision_layers)),
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
    _let_tokens_speak(model)
    model.generation_config.eos_token_id = [ids(END), ids(PAD)]
    model.generation_config.pad_token_id = ids(PAD)
    return model


@torch.no_grad()
def random_model(
    tokenizer: Qwen2Tokenizer, *, hidden: int, layers: int, vision_hidden: int, vision_layers: int
) -> Qwen2_5_VLForConditionalGeneration:
    """A model to be measured, not trained: random weights, always the same; no distribution is flat or certain."""
    model = nano_model(
        tokenizer, hidden=hidden, layers=layers, vision_hidden=vision_hidden, vision_layers=vision_layers, seed=0
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            parameter.normal_(std=_RANDOM_STD, generator=generator)
    return model


@torch.no_grad()
def _let_tokens_speak(model: Qwen2_5_VLForConditionalGeneration) -> None:
    """Begin with layers that add nothing to large embeddings, so that their noise does not drown what stands where."""
    model.get_input_embeddings().weight.mul_(_EMBEDDING_GAIN)
    for layer in model.model.language_model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
