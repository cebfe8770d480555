"""Advantages: what a completion's reward says beside those of its group, the completions of the same prompt."""

from __future__ import annotations

from torch import Tensor


def group_relative_advantages(rewards: Tensor, *, std_floor: float = 1e-4) -> Tensor:
    """Standardise every reward within its group.

        A[b, g] = (r[b, g] - mean r[b, :]) / (std r[b, :] + std_floor)        std divides by G - 1

    Args:
        rewards: [B, G] total rewards, finite.
        std_floor: in reward units; gives a group of equal rewards zeros instead of 0 / 0.

    Returns:
        [B, G], dtype and device of `rewards`, computed in float64.

    Raises:
        ValueError: not [B, G] with at least two completions in a group, not floating point, a reward not finite, or a
            `std_floor` that is not above 0.

    Source: Shao et al. 2024, arXiv:2402.03300, section 4.1.2.
    """
    if not std_floor > 0:
        raise ValueError(f"std_floor is {std_floor}: it must be above 0, or a group of equal rewards gives 0 / 0")
    centred = _centred(rewards)
    return (centred / (centred.std(dim=-1, keepdim=True) + std_floor)).to(rewards.dtype)


def centred_advantages(rewards: Tensor) -> Tensor:
    """Subtract from every reward the mean of its group, and keep the scale of the rewards.

        A[b, g] = r[b, g] - mean r[b, :]

    Args:
        rewards: [B, G] total rewards, finite.

    Returns:
        [B, G], dtype and device of `rewards`, computed in float64.

    Raises:
        ValueError: not [B, G] with at least two completions in a group, not floating point, or a reward not finite.

    Source: Liu et al. 2025 (Dr. GRPO), arXiv:2503.20783, section 3.2.
    """
    return _centred(rewards).to(rewards.dtype)


def _centred(rewards: Tensor) -> Tensor:
    if rewards.dim() != 2 or rewards.shape[-1] < 2:
        raise ValueError(f"rewards is {list(rewards.shape)}: [B, G] needs G >= 2, a group of one has no peers")
    if not rewards.is_floating_point():
        raise ValueError(f"rewards is {rewards.dtype}: pass floating point, advantages in integers would be cut")
    if not rewards.isfinite().all():
        raise ValueError(f"{int((~rewards.isfinite()).sum())} rewards are not finite: total only the terms that apply")
    shifted = rewards.double() - rewards[:, :1].double()  # equal rewards: exactly 0, which their float mean is not
    return shifted - shifted.mean(dim=-1, keepdim=True)
