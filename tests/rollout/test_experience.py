import math

import pytest
import torch
from tiny import as_sampled, prompts

from pathvlm_r1.rollout import Rollout, SampledCompletion
from pathvlm_r1.rollout.experience import Minibatch, Row


def rollout_of(batch, group_size):
    """Tokens, log-probs and advantages that all name their (prompt, place)."""
    made = prompts([None] * batch)
    groups = tuple(
        tuple(as_sampled([b, g] + [7] * ((3 * b + g) % 5), log_prob=-(b + g / 10)) for g in range(group_size))
        for b in range(batch)
    )
    return Rollout(tuple(made), groups)


def advantages_of(batch, group_size):
    return torch.tensor([[b + g / 10 for g in range(group_size)] for b in range(batch)], dtype=torch.float64)


def is_counted_of(batch, group_size):
    return torch.tensor([[(b + g) % 3 > 0 for g in range(group_size)] for b in range(batch)])


def misplaced(rollout, minibatches, rows_per_forward):
    """Completions that reach the loss beside another prompt's tokens, advantage, log-probs or flag than their own."""
    faults = []
    for minibatch in minibatches:
        for batch in minibatch.micro_batches(rows_per_forward):
            pairs = [(group.prompt, ids) for group in batch.groups for ids in group.completions]
            for row, (prompt, ids) in enumerate(pairs):
                b, g = ids[:2]
                own = (
                    prompt is rollout.prompts[b]
                    and math.isclose(batch.advantages[row], b + g / 10, abs_tol=1e-6)  # float32
                    and batch.is_counted[row] == ((b + g) % 3 > 0)
                    and math.isclose(batch.old_log_probs[row, : len(ids)].sum(), -(b + g / 10) * len(ids), abs_tol=1e-4)
                    and not batch.old_log_probs[row, len(ids) :].any()
                )
                faults += [] if own else [(b, g)]
    return faults


def seen(minibatches, rows_per_forward):
    return sorted(
        tuple(ids[:2])
        for minibatch in minibatches
        for batch in minibatch.micro_batches(rows_per_forward)
        for group in batch.groups
        for ids in group.completions
    )


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (8, 1), (8, 2), (8, 4), (8, 8)])
@pytest.mark.parametrize("rows_per_forward", [1, 3, 4, 64])
@pytest.mark.parametrize("group_size", [2, 4])
def test_every_completion_keeps_its_prompt_advantage_and_log_probs_and_none_is_lost(
    batch, count, rows_per_forward, group_size
):
    rollout = rollout_of(batch, group_size)
    minibatches = rollout.minibatches(advantages_of(batch, group_size), is_counted_of(batch, group_size), count)
    assert [len(minibatch.rows) for minibatch in minibatches] == [batch * group_size // count] * count
    assert not misplaced(rollout, minibatches, rows_per_forward)
    assert seen(minibatches, rows_per_forward) == [(b, g) for b in range(batch) for g in range(group_size)]
    for minibatch in minibatches:
        whole = {id(row.prompt): 0 for row in minibatch.rows}
        for row in minibatch.rows:
            whole[id(row.prompt)] += 1
        assert set(whole.values()) == {group_size}  # no group is split over optimiser steps
        sizes = [len(batch.advantages) for batch in minibatch.micro_batches(rows_per_forward)]
        assert max(sizes) <= rows_per_forward
        assert sum(sizes) == len(minibatch.rows)


def minibatches_with_prompts_repeated_twice(rollout, advantages, is_counted):
    """The wrong version: prompts that are repeated for their groups already are repeated once more, and cut to size."""
    group_size = len(rollout.groups[0])
    repeated = [prompt for prompt in rollout.prompts for _ in range(group_size)]
    twice = [prompt for prompt in repeated for _ in range(group_size)]
    flat = zip(twice, rollout.completions, advantages.flatten().tolist(), is_counted.flatten().tolist(), strict=False)
    return [Minibatch(tuple(Row(*row) for row in flat))]


def minibatches_with_advantages_repeated_twice(rollout, advantages, is_counted):
    """The wrong version: as above, with what was rewarded."""
    twice = advantages.repeat_interleave(advantages.shape[1], dim=0)[: advantages.shape[0]]
    return rollout.minibatches(twice, is_counted, 1)


@pytest.mark.parametrize("wrong", [minibatches_with_prompts_repeated_twice, minibatches_with_advantages_repeated_twice])
def test_a_doubled_repeat_is_invisible_for_one_prompt_and_caught_for_eight(wrong):
    faults = {}
    for batch in (1, 8):
        rollout = rollout_of(batch, 4)
        minibatches = wrong(rollout, advantages_of(batch, 4), is_counted_of(batch, 4))
        faults[batch] = misplaced(rollout, minibatches, 64)
    assert faults[1] == []
    assert len(faults[8]) >= 24  # of 32; only the first prompt's are right


def test_completions_are_listed_group_by_group():
    rollout = rollout_of(3, 2)
    assert [completion.token_ids[:2] for completion in rollout.completions] == [
        [0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1],
    ]  # fmt: skip


def test_counted_tokens_leave_out_completions_without_a_reward():
    rollout = rollout_of(2, 3)
    (minibatch,) = rollout.minibatches(advantages_of(2, 3), is_counted_of(2, 3), 1)
    lengths = [2 + (3 * b + g) % 5 for b in range(2) for g in range(3) if (b + g) % 3 > 0]
    assert minibatch.counted_tokens == sum(lengths)


def test_micro_batches_pack_the_completions_of_one_prompt_together():
    rollout = rollout_of(2, 4)
    (minibatch,) = rollout.minibatches(advantages_of(2, 4), is_counted_of(2, 4), 1)
    sizes = [[len(group.completions) for group in batch.groups] for batch in minibatch.micro_batches(6)]
    assert sizes == [[4, 2], [2]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_advantages_and_log_probs_keep_the_precision_of_the_sampler(dtype):
    completion = SampledCompletion([1, 2], torch.full((2,), -0.1, dtype=dtype), is_ended=True)
    row = Row(prompts([None])[0], completion, advantage=0.1, is_counted=True)
    (batch,) = Minibatch((row,)).micro_batches(1)
    assert (batch.old_log_probs.dtype, batch.advantages.dtype) == (dtype, dtype)
    assert batch.advantages.item() == torch.tensor(0.1, dtype=dtype).item()
