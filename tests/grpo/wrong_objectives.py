"""Wrong versions that look right; each has a test that shows it caught."""

from dataclasses import replace

import torch
from torch import Tensor

from pathvlm_r1.grpo import Objective, ObjectiveResult, Tokens, Totals, clipped, row_mean, token_mean, token_ratio


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


def _clipped(log_ratio: Tensor, log_probs: Tensor, advantages: Tensor):
    return clipped(log_ratio, log_probs, advantages, epsilon_low=0.2, epsilon_high=0.2)


GRPO = Objective(ratio=token_ratio, surrogate=_clipped, average=row_mean)


def with_its_kl_sign_flipped(tokens: Tokens, totals: Totals, *, beta: float) -> ObjectiveResult:
    """Sees the reference as far on the other side of the policy."""
    mirrored = 2 * tokens.log_probs.detach() - tokens.reference_log_probs
    return GRPO(replace(tokens, reference_log_probs=mirrored), totals, beta=beta)


def with_a_token_mean(tokens: Tokens, totals: Totals, *, beta: float) -> ObjectiveResult:
    """Averages over all tokens where the paper averages rows."""
    return replace(GRPO, average=token_mean)(tokens, totals, beta=beta)


def with_advantages_one_row_off(tokens: Tokens, totals: Totals, *, beta: float) -> ObjectiveResult:
    """Pairs each completion with its neighbour's advantage."""
    return GRPO(replace(tokens, advantages=tokens.advantages.roll(1)), totals, beta=beta)


def with_the_micro_batch_as_the_step(tokens: Tokens, totals: Totals, *, beta: float) -> ObjectiveResult:
    """Divides by what the micro-batch holds, whatever the step is said to hold."""
    own = Totals.of(tokens.mask)
    assert own.rows <= totals.rows
    return GRPO(tokens, own, beta=beta)


def masked_after_the_exponential(tokens: Tokens, totals: Totals, *, beta: float) -> ObjectiveResult:
    """Hides nan from the loss, not from its gradient, where it becomes 0 times nan."""
    ratio = (tokens.log_probs - tokens.old_log_probs).exp()
    losses = torch.where(tokens.mask, -ratio * tokens.advantages[:, None], 0.0)
    return replace(GRPO(tokens, totals, beta=beta), loss=losses.sum() / totals.tokens)
