import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import integers
from tiny import as_sampled, prompts

from pathvlm_r1.rollout import Rollout, SampledCompletion, passes, prompt_groups
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


def misplaced(rollout, minibatches, tokens_per_forward):
    """Completions that reach the loss beside another prompt's tokens, advantage, log-probs or flag than their own."""
    faults = []
    for minibatch in minibatches:
        for batch in minibatch.micro_batches(tokens_per_forward):
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


def seen(minibatches, tokens_per_forward):
    return sorted(
        tuple(ids[:2])
        for minibatch in minibatches
        for batch in minibatch.micro_batches(tokens_per_forward)
        for group in batch.groups
        for ids in group.completions
    )


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (8, 1), (8, 2), (8, 4), (8, 8)])
@pytest.mark.parametrize("tokens_per_forward", [1, 30, 60, 10_000])
@pytest.mark.parametrize("group_size", [2, 4])
def test_every_completion_keeps_its_prompt_advantage_and_log_probs_and_none_is_lost(
    batch, count, tokens_per_forward, group_size
):
    rollout = rollout_of(batch, group_size)
    minibatches = rollout.minibatches(advantages_of(batch, group_size), is_counted_of(batch, group_size), count)
    assert [len(minibatch.rows) for minibatch in minibatches] == [batch * group_size // count] * count
    assert not misplaced(rollout, minibatches, tokens_per_forward)
    assert seen(minibatches, tokens_per_forward) == [(b, g) for b in range(batch) for g in range(group_size)]
    for minibatch in minibatches:
        whole = {id(row.prompt): 0 for row in minibatch.rows}
        for row in minibatch.rows:
            whole[id(row.prompt)] += 1
        assert set(whole.values()) == {group_size}  # no group is split over optimiser steps
        for micro_batch in minibatch.micro_batches(tokens_per_forward):
            longest = max(group.length for group in micro_batch.groups)
            is_alone = len(micro_batch.groups) == len(micro_batch.groups[0].completions) == 1
            assert is_alone or longest * len(micro_batch.groups) <= tokens_per_forward


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
        faults[batch] = misplaced(rollout, minibatches, 10_000)
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


def lengths_of(rollout, tokens_per_forward):
    """The lengths of the groups of every pass."""
    places = passes(rollout.pairs, tokens_per_forward)
    groups = [prompt_groups([rollout.pairs[place] for place in pass_]) for pass_ in places]
    return [[group.length for group in pass_] for pass_ in groups]


def test_completions_of_one_prompt_share_it_where_they_fit_and_are_divided_where_not():
    rollout = rollout_of(1, 4)  # completions of 2, 3, 4 and 5 tokens
    prompt = len(rollout.prompts[0].token_ids)
    assert lengths_of(rollout, prompt + 14) == [[prompt + 14]]
    assert sorted(lengths_of(rollout, prompt + 9)) == [[prompt + 5], [prompt + 9]]
    assert passes(rollout.pairs, 1) == [[3], [2], [1], [0]]  # each alone, however long, the longest first


def test_groups_of_like_length_go_together_and_padding_counts():
    rollout = rollout_of(4, 2)
    lengths = [group for pass_ in lengths_of(rollout, 10_000) for group in pass_]
    assert lengths == sorted(lengths, reverse=True)
    budget = 2 * lengths[0]
    assert [len(pass_) for pass_ in lengths_of(rollout, budget)] == [2, 2]
    assert len(lengths_of(rollout, budget - 1)) > 2


@settings(deadline=None, max_examples=50)
@given(batch=integers(1, 5), group_size=integers(1, 5), tokens=integers(1, 400))
def test_every_completion_is_in_exactly_one_pass(batch, group_size, tokens):
    found = [place for pass_ in passes(rollout_of(batch, group_size).pairs, tokens) for place in pass_]
    assert sorted(found) == list(range(batch * group_size))


def test_old_and_reference_log_probs_stay_with_their_completions():
    rollout = rollout_of(3, 2)
    own = [torch.full((len(ids),), float(index)) for index, (_, ids) in enumerate(rollout.pairs)]
    kept = [-values for values in own]
    (minibatch,) = rollout.minibatches(advantages_of(3, 2), is_counted_of(3, 2), 1, old=own, reference=kept)
    for batch in minibatch.micro_batches(60):
        ids = [ids for group in batch.groups for ids in group.completions]
        for row, (b, g, *rest) in enumerate(ids):
            length = 2 + len(rest)
            assert torch.equal(batch.old_log_probs[row, :length], torch.full((length,), float(2 * b + g)))
            assert torch.equal(batch.reference_log_probs[row], -batch.old_log_probs[row])
            assert math.isclose(batch.sampler_log_probs[row, 0], -(b + g / 10), abs_tol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_advantages_and_log_probs_keep_the_precision_of_the_sampler(dtype):
    completion = SampledCompletion([1, 2], torch.full((2,), -0.1, dtype=dtype), is_ended=True)
    row = Row(prompts([None])[0], completion, advantage=0.1, is_counted=True)
    (batch,) = Minibatch((row,)).micro_batches(1)
    assert (batch.old_log_probs.dtype, batch.advantages.dtype) == (dtype, dtype)
    assert batch.advantages.item() == torch.tensor(0.1, dtype=dtype).item()
