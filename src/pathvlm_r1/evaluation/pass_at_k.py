"""pass@k: how often at least one of k completions of a question is right."""

from __future__ import annotations

from math import comb


def pass_at_k(completions: int, right: int, k: int) -> float:
    """The unbiased estimate from more completions than k.

        pass@k = 1 - C(n - c, k) / C(n, k)

    It is the share of all subsets of k of the n completions that hold one of the c right ones.
    `1 - (1 - c / n)^k` would be biased downwards.

    Args:
        completions: n, of one question.
        right: c of them.
        k: from 1 to n.

    Raises:
        ValueError: k or c is outside its range.

    Source: Chen et al. 2021, Evaluating Large Language Models Trained on Code, arXiv:2107.03374, equation 1.
    """
    if not 1 <= k <= completions:
        raise ValueError(f"k is {k}: from 1 to the {completions} completions")
    if not 0 <= right <= completions:
        raise ValueError(f"right is {right}: from 0 to the {completions} completions")
    return 1 - comb(completions - right, k) / comb(completions, k)


def ks_up_to(completions: int) -> list[int]:
    """1, 2, 4, ... and the number of completions itself."""
    powers = [2**power for power in range(completions.bit_length()) if 2**power < completions]
    return [*powers, completions]
