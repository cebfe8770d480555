"""An independent witness: every objective token by token in plain Python floats, and random batches to ask it about."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import NamedTuple

import torch
from hypothesis.strategies import builds, integers
from torch import Tensor

from pathvlm_r1.grpo import Objective, ObjectiveResult, Tokens, Totals

BETA = 0.04
TENSORS = [field.name for field in fields(Tokens) if field.name not in ("advantages", "mask", "sampler_log_probs")]


class Parts(NamedTuple):
    """An objective by the names of its functions, with the settings of those that have any."""

    ratio: str
    surrogate: str
    average: str
    kl: str = "k3"
    settings: Mapping[str, float] = MappingProxyType({})


class Slopes(NamedTuple):
    """A token's policy term, and its derivatives by the log-ratio and by its log-prob where that stands in it."""

    value: float
    by_log_ratio: float
    by_log_prob: float = 0.0


def random_tokens(seed: int, rows: int, tokens: int) -> Tokens:
    """Ratios on both sides of both bounds, holes in the mask, and now and then a row in which nothing counts."""
    generator = torch.Generator().manual_seed(seed)
    log_probs, drift, distance = torch.randn(3, rows, tokens, generator=generator, dtype=torch.float64)
    row_is_kept = torch.rand(rows, 1, generator=generator) < 0.8
    return Tokens(
        log_probs=log_probs - 3,
        old_log_probs=log_probs - 3 + 0.3 * drift,
        advantages=torch.randn(rows, generator=generator, dtype=torch.float64),
        mask=(torch.rand(rows, tokens, generator=generator) < 0.7) & row_is_kept,
        reference_log_probs=log_probs - 3 + distance,
        entropy=torch.rand(rows, tokens, generator=generator, dtype=torch.float64),
    )


batches = builds(random_tokens, seed=integers(0, 2**32 - 1), rows=integers(1, 6), tokens=integers(1, 7))


def learning(batch: Tokens) -> Tokens:
    """The same numbers with fresh log-probs and entropies that collect a gradient."""
    return replace(
        batch,
        log_probs=batch.log_probs.detach().clone().requires_grad_(),
        entropy=batch.entropy.detach().clone().requires_grad_(),
    )


def only(batch: Tokens, rows: Tensor) -> Tokens:
    """Some rows, without the columns of padding that only the others need."""
    width = int((batch.mask[rows].any(dim=0) * torch.arange(1, batch.mask.shape[1] + 1)).max())
    cut = {name: getattr(batch, name)[rows, :width] for name in (*TENSORS, "mask")}
    return replace(batch, advantages=batch.advantages[rows], **cut)


def evaluated(
    objective: Objective, batch: Tokens, *, totals: Totals | None = None, beta: float = BETA
) -> tuple[ObjectiveResult, Tensor]:
    """The detached result of one whole step, and the gradient of its loss by log-probs."""
    batch = learning(batch)
    result = objective(batch, totals or Totals.of(batch.mask), beta=beta)
    result.loss.backward()
    return result.detached(), batch.log_probs.grad


def loss_and_gradient(parts: Parts, batch: Tokens) -> tuple[float, list[list[float]]]:
    """The loss of a whole step, and its derivative by each log-prob."""
    log_probs, old, reference = (t.tolist() for t in (batch.log_probs, batch.old_log_probs, batch.reference_log_probs))
    mask, advantages = batch.mask.tolist(), batch.advantages.tolist()
    total = sum(map(sum, mask))
    loss, gradient = 0.0, [[0.0] * len(row) for row in mask]
    for n, row in enumerate(mask):
        counted = [t for t, counts in enumerate(row) if counts]
        weight = AVERAGES[parts.average](len(mask), total, max(len(counted), 1), parts.settings)
        log_ratios = {t: log_probs[n][t] - old[n][t] for t in counted}
        for t in counted:
            log_ratio, chain = RATIOS[parts.ratio](log_ratios, t)
            term = SURROGATES[parts.surrogate](log_ratio, log_probs[n][t], advantages[n], parts.settings)
            divergence, slope = DIVERGENCES[parts.kl](reference[n][t] - log_probs[n][t])
            loss += weight * (term.value + BETA * divergence)
            gradient[n][t] += weight * (term.by_log_prob + BETA * slope)
            for other, share in chain.items():
                gradient[n][other] += weight * term.by_log_ratio * share
    return loss, gradient


def of_token(log_ratios: dict[int, float], t: int) -> tuple[float, dict[int, float]]:
    return log_ratios[t], {t: 1.0}


def of_sequence(log_ratios: dict[int, float], _: int) -> tuple[float, dict[int, float]]:
    return sum(log_ratios.values()) / len(log_ratios), dict.fromkeys(log_ratios, 1 / len(log_ratios))


def of_sequence_by_token(log_ratios: dict[int, float], t: int) -> tuple[float, dict[int, float]]:
    return sum(log_ratios.values()) / len(log_ratios), {t: 1.0}


def of_response(log_ratios: dict[int, float], _: int) -> tuple[float, dict[int, float]]:
    return sum(log_ratios.values()), dict.fromkeys(log_ratios, 1.0)


def by_clip(log_ratio: float, _: float, advantage: float, settings: dict[str, float]) -> Slopes:
    ratio, cap = math.exp(log_ratio), settings["ratio_cap"] or math.inf
    within = min(max(ratio, 1 - settings["epsilon_low"]), 1 + settings["epsilon_high"])
    free = min(ratio, cap)
    is_free = free * advantage <= within * advantage
    slope = ratio * advantage if is_free and ratio <= cap else 0.0
    return Slopes(-min(free * advantage, within * advantage), -slope)


def by_bounded_weight(log_ratio: float, log_prob: float, advantage: float, settings: dict[str, float]) -> Slopes:
    weight = min(math.exp(log_ratio), settings["ratio_cap"])
    return Slopes(-weight * advantage * log_prob, 0.0, -weight * advantage)


def by_gate(log_ratio: float, _: float, advantage: float, settings: dict[str, float]) -> Slopes:
    ratio = math.exp(log_ratio)
    tau = settings["tau_positive"] if advantage > 0 else settings["tau_negative"]
    gate = 1 / (1 + math.exp(-tau * (ratio - 1)))
    return Slopes(-4 / tau * gate * advantage, -4 * gate * (1 - gate) * ratio * advantage)


RATIOS: dict[str, Callable[..., tuple[float, dict[int, float]]]] = {
    "token_ratio": of_token,
    "sequence_ratio": of_sequence,
    "sequence_token_ratio": of_sequence_by_token,
    "response_ratio": of_response,
}
SURROGATES: dict[str, Callable[..., Slopes]] = {"clipped": by_clip, "cispo": by_bounded_weight, "sapo": by_gate}
AVERAGES: dict[str, Callable[..., float]] = {
    "row_mean": lambda rows, _, length, __: 1 / (rows * length),
    "token_mean": lambda _, tokens, __, ___: 1 / max(tokens, 1),
    "micro_batch_token_mean": lambda _, tokens, __, ___: 1 / max(tokens, 1),  # of a step in one piece
    "constant_length": lambda rows, _, __, settings: 1 / (rows * settings["max_completion_tokens"]),
}
DIVERGENCES: dict[str, Callable[[float], tuple[float, float]]] = {
    "k1": lambda d: (-d, 1.0),
    "k2": lambda d: (d * d / 2, -d),
    "k3": lambda d: (math.exp(d) - d - 1, 1 - math.exp(d)),
}
