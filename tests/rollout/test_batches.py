import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers, lists
from tiny import tiny_policy

from pathvlm_r1.model import EncodedPrompt, in_evaluation_mode
from pathvlm_r1.rollout.batches import by_length, grouped, left_padded


def prompts_of(lengths):
    """Prompts of these lengths, each with its place as its first token."""
    return [EncodedPrompt([place, *range(length - 1)]) for place, length in enumerate(lengths)]


def decoded(prompts, size):
    """Results of `by_length`, which name their prompt, and the lengths of each batch."""
    batches = []

    def decode(batch):
        batches.append([len(prompt.token_ids) for prompt in batch])
        return [prompt.token_ids[0] for prompt in batch]

    return by_length(prompts, size, decode), batches


@given(lengths=lists(integers(1, 30), min_size=1, max_size=40), size=integers(1, 50))
def test_every_prompt_is_decoded_once_and_results_keep_the_order_of_the_prompts(lengths, size):
    results, batches = decoded(prompts_of(lengths), size)
    assert results == list(range(len(lengths)))
    assert sorted(length for batch in batches for length in batch) == sorted(lengths)
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)


def test_several_batches_hold_prompts_of_like_length_the_longest_first():
    lengths = [3, 50, 4, 49, 5, 48, 6]
    _, batches = decoded(prompts_of(lengths), 3)
    assert batches == [[50, 49, 48], [6, 5, 4], [3]]
    assert decoded(prompts_of(lengths), 7)[1] == [lengths], "one batch, in which the order makes no padding"


def padding(batches):
    return sum(max(batch) * len(batch) - sum(batch) for batch in batches)


@given(rows=lists(integers(1, 30), min_size=10, max_size=40), size=integers(1, 10))
def test_no_more_is_padding_than_in_the_order_given(rows, size):
    lengths = rows[: len(rows) // size * size]  # a last batch that is not full may hold the one long prompt by chance
    as_given = [lengths[start : start + size] for start in range(0, len(lengths), size)]
    assert padding(decoded(prompts_of(lengths), size)[1]) <= padding(as_given)


def test_rows_are_padded_on_the_left_and_the_mask_comes_from_lengths():
    input_ids, is_token = left_padded([EncodedPrompt([0, 7]), EncodedPrompt([5])],
                                      torch.device("cpu"))  # fmt: skip
    assert input_ids.tolist() == [[0, 7], [0, 5]]
    assert is_token.tolist() == [[True, True], [False, True]]


def test_rows_are_grouped_as_they_stand():
    assert grouped([1, 2, 3, 4, 5, 6], 2) == [[1, 2], [3, 4], [5, 6]]


def fail():
    raise RuntimeError


@pytest.mark.parametrize("is_training", [True, False])
def test_a_policy_is_in_its_former_mode_after_a_fault_too(is_training):
    policy = tiny_policy().train(is_training)
    with in_evaluation_mode(policy):
        assert not policy.training
    assert policy.training == is_training
    with pytest.raises(RuntimeError), in_evaluation_mode(policy):
        fail()
    assert policy.training == is_training
