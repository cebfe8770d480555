"""Reduced precision as the GPU trainers have it, here on the CPU."""

import torch
from running import LIGHTNING_WARNINGS, TINY_GRPO, exported, metrics, reward_brevity, trained

from pathvlm_r1.stages import GRPOModule

pytestmark = LIGHTNING_WARNINGS


def test_mixed_precision_trains_an_adapter_in_float32_over_frozen_bfloat16(tmp_path, monkeypatch):
    reward_brevity(monkeypatch)
    types, moved = [], []

    def recorded(module):
        parameters = dict(module.policy.named_parameters())
        types.append({("lora_" in name, parameter.dtype) for name, parameter in parameters.items()})
        moved.append(max(float(p.detach().abs().max()) for name, p in parameters.items() if "lora_B" in name))

    monkeypatch.setattr(GRPOModule, "on_fit_start", _after(GRPOModule.on_fit_start, recorded))
    monkeypatch.setattr(GRPOModule, "on_fit_end", recorded, raising=False)
    run = trained(
        tmp_path, *TINY_GRPO, "stage.init=base", "adapter=lora", "trainer.precision=bf16-mixed",
        "stage.learning_rate=1e-6",
    )  # fmt: skip
    assert types == [{(False, torch.bfloat16), (True, torch.float32)}] * 2
    assert moved[0] == 0
    assert 0 < moved[1] < 1e-5, "steps of 1e-6 arrive"
    assert all(float(row["grpo/sampler_mismatch"]) < 0.5 for row in metrics(run) if row["grpo/sampler_mismatch"])
    assert all(tensor.isfinite().all() for tensor in exported(run).values())


def _after(first, then):
    def both(module):
        first(module)
        then(module)

    return both
