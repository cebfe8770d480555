"""Supervised fine-tuning: cross-entropy on the assistant's tokens; also the nano model's pretraining."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from pathvlm_r1.model.encoding import IGNORED, TokenBatch
from pathvlm_r1.model.policy import Policy


def supervised_loss(policy: Policy, batch: TokenBatch) -> Tensor:
    """Sum of the cross-entropy over the learned tokens, in nats.

    The head runs on the positions that predict a learned token, never on the prompt.
    """
    targets = batch.labels[:, 1:]
    is_learned = targets != IGNORED
    hidden = policy.hidden_states(batch)[:, :-1][is_learned]  # [tokens, D]
    logits = policy.core.lm_head(hidden).float()
    return nn.functional.cross_entropy(logits, targets[is_learned], reduction="sum")


def learned_tokens(batches: Sequence[TokenBatch]) -> int:
    """How many tokens bear loss."""
    return sum(int((batch.labels[:, 1:] != IGNORED).sum()) for batch in batches)


def warmup_cosine(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Linear warm-up, then half a cosine to 0: the factor on the learning rate at an optimiser step."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def adamw(policy: nn.Module, *, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over what trains; weight decay only on matrices, as usual."""
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate)


class SFTModule(LightningModule):
    """Supervised fine-tuning of the policy on reference completions."""

    def __init__(self, policy: Policy, *, learning_rate: float, weight_decay: float, warmup_share: float,
                 total_steps: int) -> None:
        super().__init__()
        self.policy = policy
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.total_steps = total_steps
        self.warmup_steps = max(1, round(warmup_share * total_steps))

    def training_step(self, batch: TokenBatch) -> Tensor:
        loss, tokens = supervised_loss(self.policy, batch)
        self.log("sft/loss", loss, prog_bar=True, batch_size=len(batch.prompts))
        self.log("sft/tokens", float(tokens), batch_size=len(batch.prompts))
        return loss

    def transfer_batch_to_device(self, batch: TokenBatch, device: torch.device, dataloader_idx: int) -> TokenBatch:
        del dataloader_idx
        return batch.to(device)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = adamw(self.policy, learning_rate=self.learning_rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: warmup_cosine(step, warmup_steps=self.warmup_steps, total_steps=self.total_steps),
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
