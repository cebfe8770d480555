"""The other side: `trl.GRPOTrainer` under transformers' Trainer, at settings that are fair to it."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, Qwen2_5_VLForConditionalGeneration, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from pathvlm_r1.config import LoRAConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from steps.cells import BETA, LEARNING_RATE, PROMPTS, Cell, configuration, encoder_of, never_sampled, samples
from steps.children import Clock, Gate
from steps.ours import add_noise, variety

DTYPES = {"32": torch.float32, "64": torch.float64}
# The trainer's functions -> the phase that their seconds belong to; the rest is the update.
PHASE_OF = {
    "_prepare_inputs": "rollout", "_calculate_rewards": "reward", "_get_per_token_logps_and_entropies": "log_probs",
}  # fmt: skip


def take_steps(connection: Connection, cell: Cell, steps: int) -> None:
    """Take so many steps, each when told to."""
    gate = Gate(connection, Clock())
    with TemporaryDirectory() as folder:
        trainer = prepared(cell, Path(folder), steps, AtTheGate(gate), max_grad_norm=1.0)
        for name, phase in PHASE_OF.items():
            setattr(trainer, name, gate.clock.timed(phase, getattr(trainer, name)))
        trainer.train()


def compare(cell: Cell, path: Path, precision: str) -> dict[str, Any]:
    """The step that our side has recorded: the largest relative difference of a tensor's gradient, and whose it is."""
    recorded = torch.load(path)
    with TemporaryDirectory() as folder:
        gradients = Gradients()
        trainer = prepared(
            cell, Path(folder), 1, gradients, max_grad_norm=0.0, recorded=recorded["completions"],
            dtype=DTYPES[precision],
        )  # fmt: skip
        add_noise(trainer.model)
        trainer.train()
    ours, theirs = recorded["gradients"], gradients.found
    if ours.keys() != theirs.keys():
        raise ValueError(f"only one side has gradients of {sorted(ours.keys() ^ theirs.keys())[:3]}")
    by_tensor = {
        name: float((ours[name] - value).norm() / value.norm().clamp(min=1e-30)) for name, value in theirs.items()
    }
    worst = max(by_tensor, key=lambda name: by_tensor[name])
    return {"difference": by_tensor[worst], "tensor": worst, "loss": trainer.loss}


def prepared(
    cell: Cell, folder: Path, steps: int, callback: TrainerCallback, *, max_grad_norm: float,
    recorded: Sequence[tuple[list[int], list[list[int]]]] | None = None, dtype: torch.dtype = torch.float32,
) -> Step:  # fmt: skip
    """The trainer with the same weights, questions and sizes as ours."""
    encoder = encoder_of(cell)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(cell.checkpoint, dtype=dtype)
    model.model.visual.requires_grad_(requires_grad=False)
    settings = GRPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, gradient_checkpointing=False, dataloader_pin_memory=False,
        learning_rate=LEARNING_RATE, lr_scheduler_type="linear", max_grad_norm=max_grad_norm, max_steps=steps,
        shuffle_dataset=False, report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        per_device_train_batch_size=cell.rows, gradient_accumulation_steps=1, steps_per_generation=1,
        num_generations=cell.group_size, max_completion_length=cell.completion_tokens, temperature=1.0, top_p=1.0,
        top_k=0, repetition_penalty=1.0, beta=BETA, loss_type="grpo", epsilon=0.2, scale_rewards="group",
        use_bias_correction_kl=False, disable_dropout=True,
        generation_kwargs={"suppress_tokens": never_sampled(encoder, model.config.text_config.vocab_size)},
    )  # fmt: skip
    trainer = Step(
        model, reward_funcs=rewarded, args=settings, processing_class=encoder.processor, callbacks=[callback],
        train_dataset=as_dataset(samples(cell, encoder, steps * PROMPTS)), peft_config=adapter(cell),
    )  # fmt: skip
    trainer.recorded = recorded
    trainer.remove_callback(PrinterCallback)
    return trainer


def adapter(cell: Cell) -> LoraConfig | None:
    """The adapter that we train; None: all weights of the language model."""
    ours = configuration(cell).adapter
    if not isinstance(ours, LoRAConfig):
        return None
    return LoraConfig(
        r=ours.r, lora_alpha=ours.alpha, lora_dropout=0.0, target_modules=ours.target, task_type="CAUSAL_LM"
    )


def as_dataset(asked: Sequence[Sample]) -> Dataset:
    """Conversations with pictures that stay in memory: none is read or decoded again."""
    pictures = [sample.images[0].load() for sample in asked]
    prompts = [[{"role": "user", "content": Contract().prompt(sample)}] for sample in asked]

    def with_pictures(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"prompt": rows["prompt"], "image": [pictures[index] for index in rows["index"]]}

    return Dataset.from_dict({"prompt": prompts, "index": list(range(len(asked)))}).with_transform(with_pictures)


def rewarded(*, completions: Sequence[Any], **_: Any) -> list[float]:
    """Our side's reward."""
    return [variety(turns[0]["content"]) for turns in completions]


class Step(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer; where completions were recorded it takes these instead of sampling."""

    recorded: Sequence[tuple[list[int], list[list[int]]]] | None = None
    loss = 0.0

    def _generate_single_turn(self, prompt_ids: Sequence[list[int]], *rest: Any) -> Any:
        if self.recorded is None:
            return super()._generate_single_turn(prompt_ids, *rest)
        left = {tuple(prompt): list(group) for prompt, group in self.recorded}
        return [left[tuple(ids)].pop(0) for ids in prompt_ids], None

    def _compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs)
        self.loss = float(loss.detach())
        return loss


class AtTheGate(TrainerCallback):  # type: ignore[misc]
    """Waits before every step and reports it after."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.gate.loaded()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.gate.enter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.gate.leave()


class Gradients(TrainerCallback):  # type: ignore[misc]
    """What the optimiser is given."""

    def __init__(self) -> None:
        self.found: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, *_: Any, model: torch.nn.Module, **__: Any) -> None:
        self.found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
