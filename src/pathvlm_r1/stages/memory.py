"""The predicted peak memory of a run's steps, told before the first of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from pathvlm_r1.model import EncodedRow, PeakMemory, StepSizes, predicted_peak
from pathvlm_r1.stages.grpo import GRPOModule
from pathvlm_r1.stages.sft import SFTModule

AUTOCASTS = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}

_log = logging.getLogger(__name__)


class TellPeakMemory(Callback):  # type: ignore[misc]
    """Says what a step like the first takes, by part; warns where that is more than the GPU has.

    Args:
        sizes: of the step that comes first.
        key: that a pass's size is set by.
        is_set: whether it is, or the first step tries on the GPU what fits.
    """

    def __init__(
        self, sizes: Callable[[Any], StepSizes], *, key: str, is_set: Callable[[Any], bool] = lambda _: True
    ) -> None:
        self.sizes, self.key, self.is_set = sizes, key, is_set

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        sizes, device = self.sizes(pl_module), pl_module.device
        peak = predicted_peak(
            pl_module.policy, sizes, device=device.type, autocast=AUTOCASTS.get(str(trainer.precision)),
            reference=getattr(pl_module, "reference", None),
        )  # fmt: skip
        beside = "" if pl_module.policy.is_vision_frozen else "; and what the vision tower keeps, as it trains"
        _log.info("predicted peak memory with passes of %d tokens (%s): %s%s", sizes.tokens, self.key, peak, beside)
        if device.type == "cuda" and not self.is_set(pl_module):
            _log.info("%s is not set: the first step takes passes as large as fit", self.key)
        elif device.type == "cuda":
            free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)  # the weights are there
            if text := shortage(peak, free, self.key):
                _log.warning(text)


def shortage(peak: PeakMemory, free: int, key: str) -> str | None:
    """What to lower where a predicted peak exceeds the bytes that are free; None where it fits."""
    if peak.total <= free:
        return None
    if peak.standing + peak.gradients + peak.update > free:  # whatever the size of a pass
        cure = "no pass is small enough: train less (adapter=lora, a lower rank), a smaller model, or on more memory"
    else:
        cure = f"lower {key if peak.learning >= peak.sampling else 'rollout.rows_per_batch'}"
    return f"a step is predicted to take {peak.total / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free: {cure}"


def grpo_sizes(
    *, prompts: int, prompt_tokens: int, group_size: int, completion_tokens: int, tokens_per_forward: int,
    rows_per_batch: int, visual_tokens: int,
) -> StepSizes:  # fmt: skip
    """Of the largest pass and rollout that GRPO makes: all completions at the cap, as `longest_case` has it.

    Args:
        prompts: of one rollout of this process.
        prompt_tokens: of the longest.
        group_size: completions of each.
        completion_tokens: at most.
        tokens_per_forward: bound of a pass.
        rows_per_batch: completions decoded together; 0: in another process.
        visual_tokens: whose features are kept.
    """
    fitting = max(1, min(group_size, (tokens_per_forward - prompt_tokens) // completion_tokens))
    row = prompt_tokens + fitting * completion_tokens
    rows = max(1, min(prompts * -(-group_size // fitting), tokens_per_forward // row))
    together = min(prompts, max(1, rows_per_batch // group_size)) if rows_per_batch else 0
    return StepSizes(
        rows=rows, row_tokens=row, scored_tokens=rows * fitting * completion_tokens, prompts_decoded=together,
        completions_decoded=together * group_size, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
        features=visual_tokens,
    )  # fmt: skip


def first_grpo_sizes(module: GRPOModule, *, pictures: int) -> StepSizes:
    """Of a module's next step, with the features of so many pictures like its own."""
    collector = module.collector
    prompts = [collector.encoder.prompt(sample) for sample in module.samples_of(0)]
    image_token = module.policy.core.config.image_token_id
    return grpo_sizes(
        prompts=len(prompts), prompt_tokens=max(len(prompt.token_ids) for prompt in prompts),
        group_size=collector.group_size, completion_tokens=collector.decoding.max_completion_tokens,
        tokens_per_forward=module.budget.tokens,
        rows_per_batch=collector.engine.rows_per_batch if collector.is_own_model else 0,
        visual_tokens=pictures * max(prompt.token_ids.count(image_token) for prompt in prompts),
    )  # fmt: skip


def first_sft_sizes(module: SFTModule, *, pictures: int) -> StepSizes:
    """Likewise, of supervised fine-tuning."""
    stream = module.trainer.datamodule
    encoded = [module.encode(item) for item in stream.batch(stream.batches_done)]
    longest: Sequence[EncodedRow] = sorted(encoded, key=lambda row: row.length)[-module.rows_per_forward :]
    image_token = module.policy.core.config.image_token_id
    return StepSizes(
        rows=len(longest), row_tokens=longest[-1].length,
        scored_tokens=sum(len(row.completion_ids) - row.loss_from for row in longest),
        features=pictures * max(row.prompt.token_ids.count(image_token) for row in encoded),
    )  # fmt: skip
