"""How one token is drawn from the policy's distribution, and how that is configured."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Decoding:
    """Settings of one sampling run; there are no others, so nothing of a shipped generation config can leak in."""

    max_completion_tokens: int
    temperature: float  # 0: the most likely token
    top_p: float = 1.0  # smallest set of tokens with at least this probability


def draw(logits: Tensor, decoding: Decoding, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One token per row with its log-probability.

    Args:
        logits: [N, V] of the policy at temperature 1, suppressed ids at -inf, float32.
        decoding: greedy at temperature 0.
        generator: the only source of randomness.

    Returns:
        token ids [N], and log-probs [N] under softmax(logits / temperature); greedy: under softmax(logits).
        With top_p below 1 the log-prob is still that of the whole distribution.
    """
    if decoding.temperature == 0:
        tokens = logits.argmax(dim=-1)
        return tokens, logits.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0]
    log_probs = (logits / decoding.temperature).log_softmax(dim=-1)
    probabilities = log_probs.exp()
    if decoding.top_p < 1:
        probabilities = nucleus(probabilities, decoding.top_p)
    tokens = torch.multinomial(probabilities, 1, generator=generator)
    return tokens[:, 0], log_probs.gather(-1, tokens)[:, 0]


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The probabilities [N, V] with all but the smallest likeliest set that reaches `top_p` at 0.

    Source: Holtzman et al. 2020, The Curious Case of Neural Text Degeneration, arXiv:1904.09751, section 3.1.
    """
    ordered, order = probabilities.sort(dim=-1, descending=True)
    is_beyond = ordered.cumsum(dim=-1) - ordered >= top_p
    return torch.zeros_like(probabilities).scatter(-1, order, ordered.masked_fill(is_beyond, 0.0))
