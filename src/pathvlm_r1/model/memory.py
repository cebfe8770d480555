"""The peak memory of a training step by part, from shapes alone: weights may be on no device yet.

Counted are tensors that live together where most do. Not counted is what an allocator rounds up or leaves between them,
a device's context and libraries, what several processes exchange, and the activations of a vision tower that trains.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from pathvlm_r1.model.head import TILE
from pathvlm_r1.model.policy import Policy
from pathvlm_r1.model.reference import FrozenCopy, Reference

_TILES = 3  # of the head that live together: logits, log-probs and their gradient, or what gives normaliser and entropy
_ROLLOUT_LOGITS = 5  # copies while a token is drawn: raw, log-probs, probabilities, and their sums in float64
_WIDE = 4  # bytes of float32, in which norms and the head compute whatever the weights are


@dataclass(frozen=True, kw_only=True)
class StepSizes:
    """What is computed together; where no completions are decoded, the rollout is another process's."""

    rows: int  # of one pass
    row_tokens: int  # of its longest row: the prompt once, and completions
    scored_tokens: int  # of the pass
    prompts_decoded: int = 0  # together
    completions_decoded: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0  # at most
    features: int = 0  # visual tokens that are kept

    @property
    def tokens(self) -> int:
        """Of one pass, padding included."""
        return self.rows * self.row_tokens


@dataclass(frozen=True, kw_only=True)
class PeakMemory:
    """Bytes by part. Activations and workspace live together; they, `update` and `sampling` follow one another."""

    weights: int  # and their copies in the type of products
    reference: int  # a second set of what trains
    optimiser: int
    features: int
    gradients: int
    activations: int  # of one pass, kept for its backward pass; and there, the gradient of a head that trains
    workspace: int  # tiles of the head, or one layer in its backward pass
    update: int  # at its end: the head's gradient a second time, as that of tied embeddings, or AdamW's own
    sampling: int  # a rollout's keys and values, the logits of a step, and on the CPU its copy of the weights

    @property
    def learning(self) -> int:
        """Beside that, while the policy learns."""
        return self.gradients + max(self.activations + self.workspace, self.update)

    @property
    def standing(self) -> int:
        """What lives all the time."""
        return self.weights + self.reference + self.optimiser + self.features

    @property
    def total(self) -> int:
        return self.standing + max(self.learning, self.sampling)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {readable_size(size)}" for name, size in asdict(self).items() if size)
        return f"{readable_size(self.total)} ({parts})"


def predicted_peak(
    policy: Policy, sizes: StepSizes, *, device: str, autocast: torch.dtype | None = None,
    reference: Reference | None = None,
) -> PeakMemory:  # fmt: skip
    """What a step of these sizes takes at most.

    Args:
        policy: its shapes, types, what trains, its adapter and whether it computes layers twice.
        sizes: of the step.
        device: type of the one that will compute.
        autocast: the type of products, where that is not the weights'.
        reference: of the divergence.
    """
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    own = _bytes(trained)
    casts = [p for p in trained if p.ndim >= 2 and p is not policy.head_weight] if autocast else []
    layers = _Layers(policy, sizes, device, autocast)
    activations, one_layer = layers.kept
    tiles = _TILES * _WIDE * min(TILE, sizes.scored_tokens * layers.vocabulary)
    of_head = _bytes([policy.head_weight]) if policy.head_weight.requires_grad else 0
    return PeakMemory(
        weights=_bytes([*policy.parameters(), *policy.buffers()]) + sum(p.numel() for p in casts) * layers.product,
        reference=own if isinstance(reference, FrozenCopy) else 0,
        optimiser=2 * own,
        features=sizes.features * layers.width * layers.stream,
        gradients=own,
        activations=activations + of_head,
        workspace=max(tiles, one_layer),
        update=max(2 * of_head, own if device == "cuda" else 0),
        sampling=layers.sampling,
    )


class _Layers:
    """The language model's layers at the sizes of a step: what is kept of a token, in bytes."""

    def __init__(self, policy: Policy, sizes: StepSizes, device: str, autocast: torch.dtype | None) -> None:
        config = policy.core.config.text_config
        self.policy, self.sizes = policy, sizes
        self.count: int = config.num_hidden_layers
        self.width: int = config.hidden_size
        self.inner: int = config.intermediate_size
        self.heads: int = config.num_attention_heads
        self.key_width: int = config.hidden_size // config.num_attention_heads * config.num_key_value_heads
        self.vocabulary: int = config.vocab_size
        self.stream: int = policy.core.get_input_embeddings().weight.element_size()  # of what layers hand on
        self.product = self.stream if autocast is None else autocast.itemsize
        self.is_cast = autocast is not None
        self.is_plain = device == "cpu" and not self.is_cast and self.stream >= _WIDE  # attention.py, plain_step.py
        self.mask_byte = 1 if device == "cuda" else _WIDE  # of a value under dropout

    @property
    def kept(self) -> tuple[int, int]:
        """Between the forward and the backward pass; and what a layer takes in its backward pass."""
        tokens = self.sizes.tokens
        layer, inputs = tokens * self._token, tokens * self.width * self.stream
        gradients = tokens * 2 * (self.width + self.inner) * (_WIDE if self.is_cast else self.product)
        mask = 0 if self.is_plain or self.policy.is_flex else tokens * self.sizes.row_tokens * self.stream
        last = self._norm * tokens + self.sizes.scored_tokens * self.width * 2 * self.stream
        is_twice = self.policy.core.is_gradient_checkpointing
        kept = self.count * (inputs if is_twice else layer) + last + mask
        return kept, gradients + (layer if is_twice else 0)

    @property
    def sampling(self) -> int:
        """Keys and values of a rollout, for a prompt once or for every row; logits; and weights that the CPU copies."""
        sizes, rows = self.sizes, self.sizes.completions_decoded
        prompts = sizes.prompts_decoded if self.is_plain else rows
        places = prompts * (sizes.prompt_tokens + sizes.completion_tokens)
        places += rows * sizes.completion_tokens if self.is_plain else 0
        keys = 2 * self.count * self.key_width * self.product
        copied = _bytes(self.policy.core.model.language_model.layers.parameters()) if rows and self.is_plain else 0
        return places * keys + rows * self.vocabulary * _WIDE * _ROLLOUT_LOGITS + copied

    @property
    def _norm(self) -> int:
        """A norm's float32 input and, where its weight trains, its normalised one."""
        is_trained = self.policy.core.model.language_model.norm.weight.requires_grad
        return self.width * (_WIDE + (self.stream if is_trained else 0))

    @property
    def _token(self) -> int:
        """A layer: norms, inputs of matrices, queries to outputs of attention, gate to product, sums of attention."""
        ranks = [p.shape[0] for name, p in self.policy.named_parameters() if "lora_A" in name]
        is_dropped = any(isinstance(module, nn.Dropout) and module.p > 0 for module in self.policy.modules())
        width = 5 * self.width if self.is_cast or is_dropped else 2 * self.width  # each matrix its own, or shared
        repeated = self.width if ranks and (self.is_cast or is_dropped) else 0  # attention's output, for its adapter
        values = width + repeated + 4 * self.width + 4 * self.inner + sum(ranks) // self.count
        dropped = (6 * self.width + self.inner) * self.mask_byte if is_dropped else 0
        return 2 * self._norm + values * self.product + self.heads * _WIDE + dropped


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def readable_size(size: int) -> str:
    """Of bytes, for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
