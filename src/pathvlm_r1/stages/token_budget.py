"""How many tokens one pass takes: set, or found before the first step, and fewer once memory has run out."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from pathvlm_r1.model import EncodedPrompt, Policy, PromptGroup, token_log_probs
from pathvlm_r1.stages.faults import TrainingError

FIRST_TRIED = 131_072  # tokens: far more than one accelerator holds of a model worth asking for
SMALLEST = 256  # tokens: below it a pass holds no prompt with a picture
WITHOUT_TRIAL = 4_096  # tokens, where memory that runs out ends the process and trying would be fatal

_log = logging.getLogger(__name__)


class TokenBudget:
    """Tokens of one pass, padding included.

    Args:
        tokens: None: to be found by `find`.
    """

    def __init__(self, tokens: int | None) -> None:
        self._tokens = tokens

    @property
    def is_found(self) -> bool:
        return self._tokens is not None

    @property
    def tokens(self) -> int:
        return WITHOUT_TRIAL if self._tokens is None else self._tokens

    def find(self, attempt: Callable[[int], None]) -> None:
        """Halve from far above until a pass of the longest case fits, and keep a quarter of it free.

        Args:
            attempt: runs a forward and a backward pass of that many tokens.

        Raises:
            TrainingError: not even the smallest fits.
        """
        tokens = FIRST_TRIED
        while not _fits(attempt, tokens):
            tokens //= 2
            if tokens < SMALLEST:
                raise TrainingError("out of memory: not even one completion fits; a smaller model or max_pixels may")
        self._tokens = tokens * 3 // 4
        _log.info("stage.tokens_per_forward: %d tokens fit into one pass, %d are used", tokens, self._tokens)

    def halve(self) -> None:
        """Take half as many tokens from now on.

        Raises:
            TrainingError: there is nothing left to halve.
        """
        if self.tokens < 2 * SMALLEST:
            raise TrainingError(f"out of memory with {self.tokens} tokens in a pass, which is as few as there can be")
        self._tokens = self.tokens // 2
        _log.warning("out of memory: passes take %d tokens from now on (stage.tokens_per_forward)", self._tokens)


def longest_case(
    policy: Policy, prompt: EncodedPrompt, *, completion_tokens: int, group_size: int
) -> Callable[[int], None]:
    """What `TokenBudget.find` tries: a pass of so many tokens of full groups, all completions at the cap."""

    def attempt(tokens: int) -> None:
        fitting = max(1, min(group_size, (tokens - len(prompt.token_ids)) // completion_tokens))
        group = PromptGroup(prompt, tuple([prompt.token_ids[-1]] * completion_tokens for _ in range(fitting)))
        scored = token_log_probs(policy, [group] * max(1, tokens // group.length))
        trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
        torch.autograd.grad(
            scored.log_probs.sum(), trained, allow_unused=True
        )  # leaves no gradient, and no process waits

    return attempt


def _fits(attempt: Callable[[int], None], tokens: int) -> bool:
    try:
        attempt(tokens)
    except torch.OutOfMemoryError:
        return False
    return True
