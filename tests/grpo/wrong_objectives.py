"""Wrong versions that look right; each has a test that shows it caught."""

from dataclasses import replace

import torch
from torch import Tensor

from pathvlm_r1.grpo import Normaliser, ObjectiveResult, grpo, token_mean_grpo


def population_std_advantages(rewards: Tensor) -> Tensor:
    """Divides by G instead of G - 1 inside the standard deviation."""
    centred = rewards - rewards.mean(dim=-1, keepdim=True)
    return centred / (rewards.std(dim=-1, keepdim=True, correction=0) + 1e-4)


def unshifted_advantages(rewards: Tensor) -> Tensor:
    """Subtracts the float mean, which for equal rewards is not always their value."""
    return (rewards - rewards.mean(dim=-1, keepdim=True)) / (rewards.std(dim=-1, keepdim=True) + 1e-4)


def batch_std_advantages(rewards: Tensor) -> Tensor:
    """Takes the standard deviation over all groups."""
    return (rewards - rewards.mean(dim=-1, keepdim=True)) / (rewards.std() + 1e-4)


def k3_with_its_sign_flipped(log_probs: Tensor, reference: Tensor) -> Tensor:
    """Estimates the divergence of the reference from the policy, with tokens sampled from the policy."""
    d = log_probs - reference
    return torch.exp(d) - d - 1


def grpo_with_its_kl_sign_flipped(
    log_probs: Tensor, old: Tensor, reference: Tensor, *rest: Tensor, **settings: float
) -> ObjectiveResult:
    """Sees the reference as far on the other side of the policy."""
    return grpo(log_probs, old, 2 * log_probs.detach() - reference, *rest, **settings)


def grpo_with_a_token_mean(*batch: Tensor, **settings: float) -> ObjectiveResult:
    """Averages over all tokens where the paper averages rows."""
    return token_mean_grpo(*batch, **settings)


def grpo_with_advantages_one_row_off(*batch: Tensor, **settings: float) -> ObjectiveResult:
    """Pairs each completion with its neighbour's advantage."""
    *log_probs, advantages, mask = batch
    return grpo(*log_probs, advantages.roll(1), mask, **settings)


def grpo_with_the_micro_batch_as_the_step(*batch: Tensor, normaliser: Normaliser, **settings: float) -> ObjectiveResult:
    """Divides by what the micro-batch holds, whatever the step is said to hold."""
    own = Normaliser.of(batch[-1])
    assert own.rows <= normaliser.rows
    return grpo(*batch, normaliser=own, **settings)


def grpo_masked_after_the_exponential(*batch: Tensor, normaliser: Normaliser, **settings: float) -> ObjectiveResult:
    """Hides nan from the loss, not from its gradient, where it becomes 0 times nan."""
    log_probs, old, _, advantages, mask = batch
    losses = torch.where(mask, -(log_probs - old).exp() * advantages[:, None], 0.0)
    return replace(grpo(*batch, normaliser=normaliser, **settings), loss=losses.sum() / normaliser.tokens)
