"""GRPO runs of every kind that has something of its own between events and advantages, and their logs."""

import json

from running import TINY_GRPO, entry

GRPO = (*TINY_GRPO, "stage.init=base", "stage.learning_rate=1e-3", "stage.validation_samples=2")
KINDS = {
    "plain": ("judge=noisy_40",),
    "divergence in reward": ("stage.kl_in=reward", "stage.beta=0.5", "stage.num_iterations=2"),
    "dealt at random": ("stage.shuffle_rewards=true",),
    "terms standardised": ("objective=gdpo", "judge=noisy_40"),
    "sampled anew and filtered": ("stage.resample_rounds=2", "stage.filter_truncated=true", "reward=dual_overlong"),
    "a panel's mean": ("judge=panel", "judge.rule=mean", "objective/advantage=rank"),
    "gated and scheduled": (
        "reward=dual_gated", "+reward.accuracy.schedule={first: 0, last: 1, from_step: 0, to_step: 2}",
        "rollout.async_judge=true", "judge=noisy_40",
    ),
    "without a judge": ("reward=accuracy", "objective/advantage=leave_one_out", "stage.minibatches=2"),
}  # fmt: skip


def lines(run):
    return [json.loads(line) for line in run.completions_of(0).read_text().splitlines()]


def rescored(run, *typed):
    return entry("eval", "task=rescore", f"run={getattr(run, 'path', run)}", *typed)
