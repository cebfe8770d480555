from dataclasses import replace

import pytest
import torch
from brute_force import random_tokens


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_probs": torch.zeros(2)}, r"log_probs is \[2\]: pass \[N, C\]"),
        ({"log_probs": torch.zeros(2, 3, dtype=torch.bfloat16)}, "log_probs is torch.bfloat16"),
        ({"old_log_probs": torch.zeros(3)}, r"old_log_probs is \[3\]"),
        ({"reference_log_probs": torch.zeros(1, 3)}, r"reference_log_probs is \[1, 3\]"),
        ({"sampler_log_probs": torch.zeros(2, 4)}, r"sampler_log_probs is \[2, 4\]"),
        ({"entropy": torch.zeros(3, 3)}, r"entropy is \[3, 3\]"),
        ({"advantages": torch.zeros(2, 1)}, r"advantages is \[2, 1\].*must be \[2\]"),
        ({"advantages": torch.zeros(3), "mask": torch.ones(2, 3)}, "advantages is .*mask is torch.float32"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_with_every_fault(change, message):
    with pytest.raises(ValueError, match=message):
        replace(random_tokens(seed=0, rows=2, tokens=3), **change)


def test_zeroing_leaves_what_counts_and_nothing_else():
    tokens = random_tokens(seed=3, rows=4, tokens=5)
    zeroed = replace(tokens, log_probs=tokens.log_probs.where(tokens.mask, float("nan"))).zeroed()
    assert torch.equal(zeroed.log_probs[tokens.mask], tokens.log_probs[tokens.mask])
    assert zeroed.log_probs[~tokens.mask].count_nonzero() == 0
