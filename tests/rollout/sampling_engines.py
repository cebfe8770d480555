"""The engines that run the policy themselves, over tiny prompts and policies, and the library's own `generate`."""

import pytest
import torch
from tiny import pixel_inputs, tiny_encoder, tiny_model, tiny_policy
from transformers import GenerationConfig

from pathvlm_r1.rollout import HFEngine, NativeEngine

ENGINES = {"native": NativeEngine, "hf": HFEngine}
EACH_ENGINE = pytest.mark.parametrize("engine", ["native", pytest.param("hf", marks=pytest.mark.medium)])
SIZES = [
    (56, 56),
    None,
    [(140, 84), (56, 56)],
    (57, 113),
    None,
    (84, 56),
]  # of pictures; prompts are of unequal lengths too
CAP = 12
SHIPPED = {"do_sample": True, "temperature": 1e-6, "repetition_penalty": 1.05, "top_k": 1, "top_p": 0.001}


def sampled(engine, policy, prompts_, decoding, *, group_size=1, seed=0, end_ids=None, rows_per_batch=64):
    end_ids = tiny_encoder().end_ids if end_ids is None else end_ids
    made = ENGINES[engine](end_ids=end_ids, rows_per_batch=rows_per_batch)
    return made.sample(policy, prompts_, group_size, decoding, torch.Generator().manual_seed(seed))


def token_ids(groups):
    return [[completion.token_ids for completion in group] for group in groups]


def generated(policy, prompts_, end_ids):
    """The stock `generate`, greedy, on left-padded prompts and pixels; cut behind the first end token."""
    width = max(len(prompt.token_ids) for prompt in prompts_)
    pads = [width - len(prompt.token_ids) for prompt in prompts_]
    ids = torch.tensor([[tiny_encoder().pad_id] * pad + p.token_ids for pad, p in zip(pads, prompts_, strict=True)])
    mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads])
    output = policy.core.generate(
        input_ids=ids, attention_mask=mask,
        mm_token_type_ids=(ids == tiny_encoder().processor.image_token_id).int(),
        **pixel_inputs(prompts_, policy.core.dtype),
        generation_config=GenerationConfig(
            do_sample=False, max_new_tokens=CAP, eos_token_id=end_ids, pad_token_id=tiny_encoder().pad_id,
            suppress_tokens=policy.suppressed_ids.tolist(),
        ),
    )  # fmt: skip
    return [until_end(row, end_ids) for row in output[:, width:].tolist()]


def until_end(ids, end_ids):
    ends = [place for place, token in enumerate(ids) if token in end_ids]
    return ids[: ends[0] + 1] if ends else ids


class BiasedHead(torch.nn.Module):
    """Adds to the logits of some tokens."""

    def __init__(self, head, ids, bias):
        super().__init__()
        self.head, self.ids, self.bias = head, ids, bias

    def forward(self, states):
        return self.head(states).index_add(-1, self.ids, torch.full_like(states[..., : len(self.ids)], self.bias))


def biased(names, bias, **settings):
    """A policy that prefers some tokens by so many nats, and the ids of these."""
    model = tiny_model()
    ids = torch.tensor([tiny_encoder().tokenizer.convert_tokens_to_ids(name) for name in names])
    model.lm_head = BiasedHead(model.lm_head, ids, bias)
    return tiny_policy(model=model, **settings), set(ids.tolist())
