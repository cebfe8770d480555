"""A Qwen2.5-VL of 64 dimensions and two layers over phantom questions, for the tests of model, rollout and stages."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRMSNorm

from pathvlm_r1.assembly.policies import _attach, suppressed_ids
from pathvlm_r1.config.model import FullConfig, LoRAConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data.phantom.dataset import PhantomSource
from pathvlm_r1.data.phantom.ontology import ONTOLOGIES
from pathvlm_r1.model import Encoder, Policy
from pathvlm_r1.model.nano import nano_model, nano_processor, train_tokenizer
from pathvlm_r1.rollout import SampledCompletion

LORA_TARGET = (
    r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"  # conf/adapter/lora
)
ADAPTERS = {
    "full": FullConfig(name="full", train_vision=False),
    "vision": FullConfig(name="full", train_vision=True),
    "lora": LoRAConfig(name="lora", r=4, alpha=8, dropout=0.1, target=LORA_TARGET),
}
PEFT_WARNING = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft 0.21
LIGHTNING_WARNINGS = [
    pytest.mark.filterwarnings(r"ignore:.*isinstance\(treespec, LeafSpec\):FutureWarning"),  # its use of torch 2.13
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),  # samples are in memory
    pytest.mark.filterwarnings("ignore:You have overridden `transfer_batch_to_device`"),  # meant so: see ItemStream
]


@dataclass(frozen=True)
class Noise:
    """A picture of random pixels in any size."""

    width: int
    height: int
    seed: int = 0

    def load(self):
        pixels = np.random.default_rng(self.seed).integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)
        return Image.fromarray(pixels)


class ExactNorm(Qwen2_5_VLRMSNorm):
    """The library's norm in the precision of its input: the library's own goes through float32 in a float64 model."""

    def forward(self, states):
        return self.weight * states * torch.rsqrt(states.square().mean(-1, keepdim=True) + self.variance_epsilon)


@cache
def samples(count):
    """Questions on 56 x 56 phantoms of all modalities in turn."""
    sources = [PhantomSource(f"tiny_{name}", name, 0, 56, {"complete": 1.0}) for name in ONTOLOGIES]
    return [sources[index % len(sources)].sample("sft", index) for index in range(count)]


@cache
def tiny_encoder():
    contract = Contract()
    corpus = [text for sample in samples(40) for text in (contract.prompt(sample), contract.target(sample))]
    return Encoder(nano_processor(train_tokenizer(corpus, 800)))


def prompts(sizes):
    """One prompt per entry, of unequal lengths: (width, height) of its picture, a list of several, or None for none."""
    questions = [" ".join(["Which grade fits?"] * (1 + index % 4)) for index in range(len(sizes))]
    several = [[] if size is None else size if isinstance(size, list) else [size] for size in sizes]
    pictures = [[Noise(*size, seed=10 * index + i) for i, size in enumerate(row)] for index, row in enumerate(several)]
    return [tiny_encoder().prompt(text, images) for text, images in zip(questions, pictures, strict=True)]


def pixel_inputs(made, dtype=torch.float64):
    """The pictures of prompts as the stock model takes them, in order."""
    pictures = [picture for prompt in made for picture in prompt.pictures]
    if not pictures:
        return {}
    pixels = torch.cat([picture.pixels.take() for picture in pictures]).to(dtype)
    return {"pixel_values": pixels, "image_grid_thw": torch.stack([picture.grid_thw for picture in pictures])}


def tiny_model(dtype=torch.float64, seed=0):
    """Random weights that are large enough for distributions far from uniform."""
    size = {"hidden": 64, "layers": 2, "vision_hidden": 48, "vision_layers": 1}
    model = nano_model(tiny_encoder().tokenizer, **size, seed=seed).to(dtype)
    for module in model.modules():
        if isinstance(module, Qwen2_5_VLRMSNorm) and dtype == torch.float64:
            module.__class__ = ExactNorm
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.16, generator=generator)
    return model.eval()


def perturbed(policy, std=0.05, seed=1):
    """The same policy after noise on all that trains: an adapter begins at zero, where it would go unnoticed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter += std * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return policy


def tiny_policy(adapter="full", dtype=torch.float64, *, temperature=1.0, is_dropout_on=False, model=None,
                is_suppressing=True):  # fmt: skip
    model = tiny_model(dtype) if model is None else model
    ids = suppressed_ids(tiny_encoder(), model.config.text_config.vocab_size) if is_suppressing else []
    with torch.random.fork_rng():
        torch.manual_seed(0)  # of the adapter's first factor
        trained = _attach(model, ADAPTERS[adapter], is_dropout_on=is_dropout_on)
    return Policy(trained.eval(), suppressed_ids=ids, temperature=temperature, cached_pictures=64)


def random_completions(lengths, seed=0):
    """Token ids without special ones."""
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, length).tolist() for length in lengths]


def as_sampled(ids, log_prob=-1.0):
    return SampledCompletion(ids, torch.full((len(ids),), log_prob), is_ended=True)


def gradients(policy):
    """By name, a copy, of all that has one."""
    return {name: p.grad.clone() for name, p in policy.named_parameters() if p.grad is not None}


def relative_difference(ours, theirs):
    """The norm of the difference of two sets of gradients over the norm of the second."""
    assert ours.keys() == theirs.keys()
    difference = sum((ours[name] - theirs[name]).double().square().sum() for name in theirs).sqrt()
    return float(difference / sum(value.double().square().sum() for value in theirs.values()).sqrt())
