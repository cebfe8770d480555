"""Which tokens are undecided: the entropy of the policy as a mask of the policy term.

Source: Wang et al. 2025, arXiv:2506.01939, section 5: the few tokens of high entropy, where reasoning forks, carry the
gain of RL.
"""

from __future__ import annotations

from torch import Tensor


def entropy_floor(entropies: Tensor, share: float) -> float:
    """The smallest entropy among the `share` most undecided tokens.

        floor = the (1 - share)-quantile of the entropies, linear between order statistics

    Args:
        entropies: [T] in nats, of every counted token of the whole optimiser step, all processes together.
        share: in (0, 1].

    Returns:
        Minus infinity where there is no token: nothing is masked.

    Raises:
        ValueError: `share` is outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}: the share of tokens that keep their gradient lies in (0, 1]")
    if entropies.numel() == 0:
        return float("-inf")
    place = (1 - share) * (entropies.numel() - 1)
    ordered = entropies.detach().double().sort().values  # torch.quantile refuses more than 16 million values
    lower, weight = int(place), place - int(place)
    upper = min(lower + 1, len(ordered) - 1)
    return float(ordered[lower] + weight * (ordered[upper] - ordered[lower]))
