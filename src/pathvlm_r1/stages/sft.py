"""Supervised fine-tuning: cross-entropy on the assistant's tokens; also the nano model's pretraining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from pathvlm_r1.data.stream import Batch
from pathvlm_r1.model import IGNORED, EncodedRow, Encoder, Policy, TokenBatch, head_log_probs
from pathvlm_r1.stages.faults import require_finite
from pathvlm_r1.stages.optimisation import Optimizers, Schedule, adamw, apply_gradients, current_rate, scheduled
from pathvlm_r1.tracking import MeasuredModule


def supervised_loss(policy: Policy, batch: TokenBatch) -> tuple[Tensor, Tensor]:
    """Sum of the cross-entropy over the learned tokens in nats, and how many of them are the likeliest token.

    The head runs on the positions that predict a learned token, never on the prompt.
    """
    targets = batch.labels[:, 1:]
    is_learned = targets != IGNORED
    hidden = policy.hidden_states(batch)[:, :-1][is_learned]  # [tokens, D]
    scores = head_log_probs(hidden, policy.head_weight, targets[is_learned])  # no id suppressed, temperature 1
    return -scores.log_probs.sum(), scores.is_likeliest.sum()


def learned_tokens(batches: Sequence[TokenBatch]) -> int:
    """How many tokens bear loss."""
    return sum(int((batch.labels[:, 1:] != IGNORED).sum()) for batch in batches)


class SFTModule(MeasuredModule):
    """Supervised fine-tuning with manual optimisation: the mean over an optimiser step's tokens, however it is split.

    Args:
        policy: what trains.
        encode: from an item of the training stream to its tokens.
        folder: the run's, for what a fault leaves behind.
        optimizers: of what trains.
        rehearsal: a further loss of every step, by its number; what was learned before and must not be forgotten.
    """

    def __init__(self, policy: Policy, *, encoder: Encoder, encode: Callable[[Any], EncodedRow], rows_per_forward: int,
                 learning_rate: float, weight_decay: float, schedule: Schedule, gradient_clip: float,
                 folder: Path, optimizers: Optimizers = adamw,
                 rehearsal: Callable[[int], Tensor] | None = None) -> None:  # fmt: skip
        super().__init__()
        self.automatic_optimization = False
        self.policy = policy
        self.encoder = encoder
        self.encode = encode
        self.rows_per_forward = rows_per_forward
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.gradient_clip = gradient_clip
        self.folder = folder
        self.optimizers_of = optimizers
        self.rehearsal = rehearsal
        self.token_accuracy = MeanMetric()  # of one optimiser step, over all processes
        self._dropout_state: Tensor | None = None  # of a resumed run, until its first step

    def on_fit_start(self) -> None:
        self.policy.train()  # weights are loaded in evaluation mode, where gradient checkpointing is silently off

    def training_step(self, items: list[Any]) -> None:
        self._go_on_drawing()
        batches = self.encoder.batches([self.encode(item) for item in items], self.rows_per_forward)
        tokens = self._over_processes(learned_tokens(batches))
        shares = []
        for batch in batches:
            # Divided by the tokens of all processes, and multiplied back where DDP averages gradients over them.
            loss, right = supervised_loss(self.policy, batch.to(self.device))
            share = loss / tokens * self.trainer.world_size
            require_finite(share, step=self.global_step, folder=self.folder, batch={"rows": self._texts(batch)})
            self.manual_backward(share)
            shares.append(share.detach())
            count = learned_tokens([batch])
            self.token_accuracy.update(right / count, weight=count)
        if self.rehearsal is not None:
            self.manual_backward(self.rehearsal(self.trainer.datamodule.batches_done))
        rate = current_rate(self)
        norm = apply_gradients(self, self.gradient_clip)
        self.trainer.datamodule.batches_done += 1
        described = {
            "loss": self.all_gather(torch.stack(shares).sum()).mean(), "token_accuracy": self.token_accuracy.compute(),
            "gradient_norm": norm, "learning_rate": rate, "tokens": float(tokens),
        }  # fmt: skip
        self.token_accuracy.reset()
        self.log_metrics({f"sft/{name}": value for name, value in described.items()})

    def _over_processes(self, count: int) -> int:
        return int(self.all_gather(torch.tensor(count, device=self.device)).sum())

    def _texts(self, batch: TokenBatch) -> list[str]:
        return [str(text) for text in self.encoder.tokenizer.batch_decode(batch.input_ids)]

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> list[Any]:
        del device, dataloader_idx  # items are encoded first
        return batch.items

    def configure_optimizers(self) -> Any:
        made = self.optimizers_of(self.policy, learning_rate=self.learning_rate, weight_decay=self.weight_decay)
        return scheduled(made, self.schedule)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["dropout_generator"] = _device_generator(self.device).get_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._dropout_state = checkpoint["dropout_generator"]

    def _go_on_drawing(self) -> None:
        """Dropout draws from its device's generator; set at the first step, as the data loader draws from it too."""
        if self._dropout_state is not None:
            _device_generator(self.device).set_state(self._dropout_state)
            self._dropout_state = None


def _device_generator(device: torch.device) -> torch.Generator:
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator
