"""One GRPO step of recorded completions by one process or by two, its gradients written to a file.

python tests/stages/two_processes.py FOLDER OBJECTIVE ADAPTER PROCESSES
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from grpo_runs import PRECISIONS, SETTINGS, share_of_even_characters
from pytorch_lightning import Trainer
from shipped import shipped
from tiny import gradients, perturbed, samples, tiny_encoder, tiny_policy

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.grpo import batch_relative_advantages
from pathvlm_r1.model import PromptGroup, SampleEncoder, reference_of, token_log_probs
from pathvlm_r1.rollout import Decoding, NativeEngine, SampledCompletion
from pathvlm_r1.stages import Collector, GRPOModule, TokenBudget


class Recorded(NativeEngine):
    """Completions that depend on the prompt alone, of very different lengths, with the policy's own log-probs."""

    @torch.no_grad()
    def sample(self, policy, prompts, group_size, *_):
        groups = []
        for prompt in prompts:
            seed = sum(prompt.token_ids)
            lengths = [1 + (seed * (3 + g) + g) % (20 if seed % 2 else 4) for g in range(group_size)]
            rows = [[30 + (seed + g * t) % 60 for t in range(length)] for g, length in enumerate(lengths)]
            scored = token_log_probs(policy, [PromptGroup(prompt, tuple(rows))]).log_probs
            groups.append([SampledCompletion(ids, scored[g, : len(ids)], is_ended=g > 0) for g, ids in enumerate(rows)])
        return groups


def main(folder, objective, adapter, processes):
    policy = perturbed(tiny_policy(adapter))
    settings = replace(SETTINGS, stop_at=1, filter_truncated=True, top_entropy=0.5 if objective == "dapo" else 1.0)
    collector = Collector(
        encoder=SampleEncoder(tiny_encoder(), Contract()), engine=Recorded(end_ids=[0], rows_per_batch=64),
        decoding=Decoding(24, 1.0), reward=share_of_even_characters, group_size=3, resample_rounds=0,
    )  # fmt: skip
    module = GRPOModule(
        policy=policy, reference=reference_of(policy), collector=collector, total=lambda rewards: rewards.total,
        advantages=batch_relative_advantages, objective=shipped(objective)[0],
        budget=TokenBudget(256),  # so that processes have different numbers of passes
        settings=settings, seed=0, folder=folder, on_rollout=lambda *_: None,
    )  # fmt: skip
    questions = [replace(one, images=one.images * (1 + place % 3)) for place, one in enumerate(samples(12))]
    kept = []
    module.on_before_optimizer_step = lambda _: kept.append(gradients(policy))
    trainer = Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", max_epochs=-1, max_steps=1,
        precision=PRECISIONS[torch.float64], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, use_distributed_sampler=False,
    )  # fmt: skip
    trainer.fit(module, datamodule=ItemStream.shuffled(questions, batch_size=8, seed=0))
    if trainer.global_rank == 0:
        torch.save(kept[0], folder / f"{processes}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
