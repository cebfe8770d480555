"""The reference policy: the policy as it was at step 0, or when it was last made to follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from pathvlm_r1.model.log_probs import PromptGroup, token_log_probs
from pathvlm_r1.model.policy import Policy, in_evaluation_mode


class Reference(Protocol):
    """Log-probabilities under the policy as it was."""

    def log_probs(self, groups: Sequence[PromptGroup]) -> Tensor:
        """[N, C], as `token_log_probs` gives them, without gradient."""
        ...

    def move_to(self, device: torch.device) -> None:
        """Go where the policy has gone."""
        ...

    def follow(self, policy: Policy) -> None:
        """Take over the weights that the policy has now."""
        ...

    def state(self) -> dict[str, Tensor]:
        """The weights of its own, for a checkpoint of a reference that follows."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        ...


class FrozenCopy:
    """For full fine-tuning, and for a reference that follows: a second set of the weights that train."""

    def __init__(self, policy: Policy) -> None:
        self._own = {name for name, parameter in policy.named_parameters() if parameter.requires_grad}
        self._policy = policy.frozen_copy()

    @torch.no_grad()
    def log_probs(self, groups: Sequence[PromptGroup]) -> Tensor:
        """Under the frozen weights."""
        return token_log_probs(self._policy, groups).log_probs

    def move_to(self, device: torch.device) -> None:
        """The copy is no part of the training module, which moves the policy alone."""
        self._policy.to(device)

    def follow(self, policy: Policy) -> None:
        """Copy the weights that train; what is frozen is shared."""
        self.load_state(dict(policy.named_parameters()))

    def state(self) -> dict[str, Tensor]:
        """The second set of the weights that train."""
        return {name: p.detach().clone() for name, p in self._policy.named_parameters() if name in self._own}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        for name, parameter in self._policy.named_parameters():
            if name in self._own:
                parameter.copy_(state[name])


class AdapterOff:
    """For LoRA: the policy with its adapter switched off; no second set of weights."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    @torch.no_grad()
    def log_probs(self, groups: Sequence[PromptGroup]) -> Tensor:
        """Under the weights below the adapter."""
        model: Any = self._policy.model
        with in_evaluation_mode(self._policy), model.disable_adapter():
            return token_log_probs(self._policy, groups).log_probs

    def move_to(self, device: torch.device) -> None:
        """Nothing to do: it is the policy itself."""

    def follow(self, policy: Policy) -> None:
        """Refused: the weights below the adapter stand still.

        Raises:
            NotImplementedError: always; `reference_of` gives a reference that follows another form.
        """
        raise NotImplementedError("the reference is the policy with its adapter off, and cannot follow it")

    def state(self) -> dict[str, Tensor]:
        """Nothing of its own."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to take over."""


def reference_of(policy: Policy, *, is_following: bool = False) -> Reference:
    """The reference of a policy that has not been trained yet; one that follows keeps its own copy of an adapter."""
    return AdapterOff(policy) if policy.has_adapter and not is_following else FrozenCopy(policy)
