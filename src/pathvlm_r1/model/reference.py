"""The reference policy: the policy as it was at step 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from pathvlm_r1.model.log_probs import PromptGroup, token_log_probs
from pathvlm_r1.model.policy import Policy


class Reference(Protocol):
    """Log-probabilities under the policy at step 0."""

    def log_probs(self, groups: Sequence[PromptGroup]) -> Tensor:
        """[N, C], as `token_log_probs` gives them, without gradient."""
        ...

    def move_to(self, device: torch.device) -> None:
        """Go where the policy has gone."""
        ...


class FrozenCopy:
    """For full fine-tuning: a second set of the weights that train."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy.frozen_copy()

    @torch.no_grad()
    def log_probs(self, groups: Sequence[PromptGroup]) -> Tensor:
        """Under the frozen weights."""
        return token_log_probs(self._policy, groups).log_probs

    def move_to(self, device: torch.device) -> None:
        """The copy is no part of the training module, which moves the policy alone."""
        self._policy.to(device)


class AdapterOff:
    """For LoRA: the policy with its adapter switched off; no second set of weights."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @torch.no_grad()
    def log_probs(self, groups: Sequence[PromptGroup]) -> Tensor:
        """Under the weights below the adapter."""
        was_training = self._policy.training
        self._policy.eval()
        model: Any = self._policy.model
        with model.disable_adapter():
            result = token_log_probs(self._policy, groups).log_probs
        self._policy.train(was_training)
        return result

    def move_to(self, device: torch.device) -> None:
        """Nothing to do: it is the policy itself."""


def reference_of(policy: Policy) -> Reference:
    """The reference of a policy that has not been trained yet."""
    return AdapterOff(policy) if policy.has_adapter else FrozenCopy(policy)
