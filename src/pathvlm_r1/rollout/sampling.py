"""How one token is drawn from the policy's distribution, and how that is configured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Decoding:
    """Settings of one sampling run; there are no others, so nothing of a shipped generation config can leak in.

    The filters act one after another, each on what the one before has left: temperature, top-k, top-p, min-p.
    """

    max_completion_tokens: int
    temperature: float  # 0: the most likely token, which no filter removes
    top_k: int = 0  # so many of the likeliest tokens; 0: all
    top_p: float = 1.0  # smallest set of the likeliest tokens with at least this share of the probability; 1: all
    min_p: float = 0.0  # tokens at least this times as likely as the likeliest; 0: all


def draw(logits: Tensor, decoding: Decoding, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One token per row with its log-probability.

    Args:
        logits: [N, V] of the policy at temperature 1, suppressed ids at -inf, float32.
        decoding: greedy at temperature 0.
        generator: the only source of randomness.

    Returns:
        token ids [N], and log-probs [N] under softmax(logits / temperature); greedy: under softmax(logits).
        With a filter the log-prob is still that of the whole distribution.
    """
    if decoding.temperature == 0:
        tokens = logits.argmax(dim=-1)
        return tokens, logits.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0]
    log_probs = (logits / decoding.temperature).log_softmax(dim=-1)
    tokens = ids_by_share(filtered(log_probs.exp(), decoding), generator)
    return tokens, log_probs.gather(-1, tokens[:, None])[:, 0]


def ids_by_share(weights: Tensor, generator: torch.Generator) -> Tensor:
    """An id per row [N], each as likely as its share of the row's weights [N, V].

    On the CPU by one random number a row: torch.multinomial draws one for every id, in a fifth of a decoding step of
    the embedded model. On a GPU these cost nothing, and sums of many numbers at once are not the same in every run.

    Raises:
        ValueError: weights whose sum is not finite, or 0.
    """
    if weights.device.type != "cpu":
        return torch.multinomial(weights, 1, generator=generator)[:, 0]
    sums = weights.cumsum(dim=-1, dtype=torch.float64)  # where small weights are not rounded away
    total = sums[:, -1:]
    if not ((total > 0) & total.isfinite()).all():
        raise ValueError("the policy's probabilities have no finite sum: no token can be drawn; look at its weights")
    places = torch.rand(len(weights), 1, dtype=torch.float64, generator=generator) * total
    return torch.searchsorted(sums, places, right=True)[:, 0]  # the first whose sum is beyond the place


def filtered(probabilities: Tensor, decoding: Decoding) -> Tensor:
    """The probabilities [N, V] with those that the decoding's filters remove at 0; the rest as it was."""
    if decoding.top_k > 0:
        probabilities = keep_top_k(probabilities, decoding.top_k)
    if decoding.top_p < 1:
        probabilities = keep_top_p(probabilities, decoding.top_p)
    if decoding.min_p > 0:
        probabilities = keep_min_p(probabilities, decoding.min_p)
    return probabilities


def keep_top_k(probabilities: Tensor, top_k: int) -> Tensor:
    """All but the `top_k` likeliest at 0; what is as likely as the last of these stays too.

    Source: Fan et al. 2018, Hierarchical Neural Story Generation, arXiv:1805.04833.
    """
    count = min(top_k, probabilities.shape[-1])
    least = probabilities.topk(count, dim=-1).values[..., -1:]
    return probabilities.masked_fill(probabilities < least, 0.0)


def keep_top_p(probabilities: Tensor, top_p: float) -> Tensor:
    """All but the smallest likeliest set with `top_p` of the mass at 0; of equally likely tokens lower ids come first.

    Source: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, arXiv:1904.09751, section 3.1.
    """
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    mass_before = ordered.cumsum(dim=-1) - ordered
    is_beyond = mass_before >= top_p * probabilities.sum(dim=-1, keepdim=True)
    return torch.zeros_like(probabilities).scatter(-1, order, ordered.masked_fill(is_beyond, 0.0))


def keep_min_p(probabilities: Tensor, min_p: float) -> Tensor:
    """What is less than `min_p` times as likely as the likeliest at 0.

    Source: Nguyen et al. 2024, Turning Up the Heat: Min-p Sampling, arXiv:2407.01082.
    """
    return probabilities.masked_fill(probabilities < min_p * probabilities.amax(dim=-1, keepdim=True), 0.0)
