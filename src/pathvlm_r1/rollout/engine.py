"""What a rollout engine is: from prompts to groups of completions of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pathvlm_r1.config import Capability, ConfigError
from pathvlm_r1.model import EncodedPrompt, Policy
from pathvlm_r1.rollout.sampling import Decoding


class EngineError(ConfigError):
    """An engine outside this process gives no completions: at the start, or later in a run."""


@dataclass(frozen=True)
class SampledCompletion:
    """The tokens of one completion, up to and including its end token if it has one."""

    token_ids: list[int]
    log_probs: Tensor  # [C] float32 (native: float64 from such a model), of the tokens as they were sampled
    is_ended: bool  # False: the cap cut it off


class Engine(Protocol):
    """Samples completions from the policy's distribution: softmax(logits / temperature), suppressed ids at -inf."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can be asked; the configuration is held against it before anything is loaded."""
        ...

    @property
    def rows_per_batch(self) -> int:
        """Completions that it decodes together; changes speed and memory, and with sampling the draws."""
        ...

    def sample(self, policy: Policy, prompts: Sequence[EncodedPrompt], group_size: int, decoding: Decoding,
               generator: torch.Generator) -> list[list[SampledCompletion]]:  # fmt: skip
        """`group_size` completions for each prompt, in the order of the prompts.

        A completion stops at its first end token. Log-probs are those of the whole distribution, whatever the filters.

        Args:
            policy: whose distribution it is; in the mode, of training or evaluation, that it is found in afterwards.
            prompts: some may have pictures.
            group_size: completions of each.
            decoding: every setting that there is.
            generator: the only source of randomness.
        """
        ...
