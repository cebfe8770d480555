"""Averages: from the loss of every token to a micro-batch's share of the optimiser step's loss.

Every function takes token losses [N, C], 0 where nothing counts, the mask [N, C] and the totals of the whole optimiser
step, over all its micro-batches and processes: so the shares add up, however the step is split (one exception, below).
"""

from __future__ import annotations

from torch import Tensor

from pathvlm_r1.grpo.tokens import Totals


def row_mean(losses: Tensor, mask: Tensor, totals: Totals) -> Tensor:
    """Average the tokens of each row, then the rows; a row without a counted token adds 0 and still is a row.

        loss = sum_n (sum_t l[n, t] / max(length[n], 1)) / rows

    Source: Shao et al. 2024, arXiv:2402.03300, equation 3.
    """
    return (losses.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)).sum() / totals.rows


def token_mean(losses: Tensor, mask: Tensor, totals: Totals) -> Tensor:
    """Average over all tokens of the optimiser step, so that a row weighs as much as it is long.

        loss = sum_n sum_t l[n, t] / max(tokens, 1)

    Source: Yu et al. 2025 (DAPO), arXiv:2503.14476, section 3.3.
    """
    del mask
    return losses.sum() / max(totals.tokens, 1)


def constant_length(losses: Tensor, mask: Tensor, totals: Totals, *, max_completion_tokens: int) -> Tensor:
    """Divide every row by one constant, so that no token weighs less for standing in a long completion.

        loss = sum_n sum_t l[n, t] / (rows max_completion_tokens)

    Raises:
        ValueError: `max_completion_tokens` is below 1.

    Source: Liu et al. 2025 (Dr. GRPO), arXiv:2503.20783, section 3.2.
    """
    del mask
    if max_completion_tokens < 1:
        raise ValueError(
            f"max_completion_tokens is {max_completion_tokens}: it must be at least 1, it divides the loss"
        )
    return losses.sum() / (totals.rows * max_completion_tokens)


def micro_batch_token_mean(losses: Tensor, mask: Tensor, totals: Totals) -> Tensor:
    """Average over the tokens of the micro-batch, then micro-batches by their rows: depends on how the step is split.

        loss = (rows here / rows) sum_n sum_t l[n, t] / max(tokens here, 1)

    It is what many trainers have shipped, and stands here to compare with them; `token_mean` is the sound form.

    Source: bnpo, the batch-normalised average of `trl.GRPOTrainer`.
    """
    return losses.sum() / mask.sum().clamp(min=1) * (len(mask) / totals.rows)
