import pytest
import torch
from tiny import (
    PEFT_WARNING,
    gradients,
    perturbed,
    pixel_inputs,
    prompts,
    random_completions,
    relative_difference,
    tiny_encoder,
    tiny_model,
    tiny_policy,
)
from torch.testing import assert_close

from pathvlm_r1.model import EncodedRow, Encoder, PromptGroup, reference_of, token_log_probs
from pathvlm_r1.stages.sft import supervised_loss

TEMPERATURE = 0.7
BATCHES = {
    "one_text": [None],
    "one_picture": [(56, 56)],
    "two_pictures": [[(56, 84), (140, 57)]],
    "eight_mixed": [
        (56, 56),
        None,
        (140, 84),
        [(57, 113), (56, 56), (84, 84)],
        None,
        (84, 56),
        [(56, 168)] * 2,
        (70, 70),
    ],
}

pytestmark = PEFT_WARNING


def groups_of(sizes, completions_each=3):
    made = []
    for index, prompt in enumerate(prompts(sizes)):
        lengths = [1 + (index + 5 * place) % 9 for place in range(completions_each)]
        made.append(PromptGroup(prompt, tuple(random_completions(lengths, seed=index))))
    return made


def plain(policy, prompt, completion):
    """Log-probs and entropy [C] of one completion alone behind its prompt, by the stock model's own forward."""
    ids = torch.tensor([prompt.token_ids + completion])
    logits = policy.core(
        input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False,
        mm_token_type_ids=(ids == tiny_encoder().processor.image_token_id).int(), **pixel_inputs([prompt]),
    ).logits[0, len(prompt.token_ids) - 1 : -1]  # fmt: skip
    allowed = torch.ones(logits.shape[-1], dtype=torch.bool)
    allowed[policy.suppressed_ids] = False
    distribution = torch.log_softmax(logits[:, allowed] / policy.temperature, dim=-1)
    column = torch.cumsum(allowed, 0) - 1
    entropy = -(distribution.exp() * distribution).sum(dim=-1)
    return distribution[range(len(completion)), column[torch.tensor(completion)]], entropy


def weights_like(log_probs):
    return torch.randn(log_probs.shape, generator=torch.Generator().manual_seed(3), dtype=log_probs.dtype)


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "vision", "lora"])
@pytest.mark.parametrize("batch", BATCHES)
def test_packed_groups_give_the_log_probs_entropies_and_gradients_of_completions_that_stand_alone(adapter, batch):
    policy = perturbed(tiny_policy(adapter, temperature=TEMPERATURE))
    groups = groups_of(BATCHES[batch])
    packed = token_log_probs(policy, groups)
    weights = weights_like(packed.log_probs)
    (packed.log_probs * weights).sum().backward()
    ours = gradients(policy)
    policy.zero_grad()
    rows = [(group.prompt, ids) for group in groups for ids in group.completions]
    for row, (prompt, ids) in enumerate(rows):
        log_probs, entropy = plain(policy, prompt, ids)
        (log_probs * weights[row, : len(ids)]).sum().backward()
        assert_close(packed.log_probs[row, : len(ids)], log_probs, rtol=0, atol=1e-10)
        assert_close(packed.entropy[row, : len(ids)], entropy.detach(), rtol=0, atol=1e-10)
        assert packed.mask[row].tolist() == [place < len(ids) for place in range(packed.mask.shape[1])]
        assert not packed.log_probs[row, len(ids) :].any()
        assert not packed.entropy[row, len(ids) :].any()
    theirs = gradients(policy)
    assert any("visual" in name for name in theirs) == (adapter == "vision" and batch != "one_text")
    assert relative_difference(ours, theirs) <= 1e-8
    assert not packed.entropy.requires_grad


def test_a_completion_does_not_see_the_others_of_its_group():
    policy = tiny_policy()
    prompt = prompts([(84, 56)])[0]
    first, *others = random_completions([6, 8, 3])
    alone = token_log_probs(policy, [PromptGroup(prompt, (first,))]).log_probs[0]
    for place in range(3):
        completions = [*others]
        completions.insert(place, first)
        beside = token_log_probs(policy, [PromptGroup(prompt, tuple(completions))]).log_probs[place, : len(first)]
        assert_close(beside, alone, rtol=0, atol=1e-10)


def test_completions_packed_with_running_positions_would_be_caught():
    """The wrong version: positions that go on from one completion to the next."""
    policy = tiny_policy()
    prompt = prompts([(84, 56)])[0]
    first, second = random_completions([6, 8])
    joined = token_log_probs(policy, [PromptGroup(prompt, (first + second,))]).log_probs[0, len(first) + 1 :]
    assert (joined - plain(policy, prompt, second)[0][1:]).abs().max() > 1e-2


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_gradient_checkpointing_changes_nothing_and_computes_layers_twice(adapter):
    results = {}
    for is_on in (False, True):
        model = tiny_model()
        if is_on:
            model.activation_checkpointing_enable()
        policy = perturbed(tiny_policy(adapter, model=model)).train()
        calls = []
        policy.core.model.language_model.layers[0].mlp.register_forward_pre_hook(
            lambda *_, calls=calls: calls.append(1)
        )
        log_probs = token_log_probs(policy, groups_of([(56, 56), None])).log_probs
        (log_probs * weights_like(log_probs)).sum().backward()
        results[is_on] = log_probs.detach(), gradients(policy), len(calls)
    assert (results[False][2], results[True][2]) == (1, 2)
    assert_close(results[True][0], results[False][0], rtol=0, atol=1e-12)
    assert relative_difference(results[True][1], results[False][1]) <= 1e-12


def test_suppressed_ids_have_no_probability_and_the_others_all_of_it():
    policy = tiny_policy(temperature=TEMPERATURE)
    states = torch.randn(1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    everything = torch.arange(policy.core.config.text_config.vocab_size)
    probabilities = policy.scores(states.expand(len(everything), -1), everything).log_probs.exp()
    assert not probabilities[policy.suppressed_ids].any()
    assert_close(probabilities.sum(), torch.ones((), dtype=torch.float64))
    assert len(policy.suppressed_ids) >= 5


def test_the_entropy_has_a_gradient_where_it_is_asked_for():
    policy = perturbed(tiny_policy("lora", temperature=TEMPERATURE))
    groups = groups_of([(56, 56)])
    packed = token_log_probs(policy, groups, with_entropy_gradient=True)
    weights = weights_like(packed.entropy)
    (packed.entropy * weights).sum().backward()
    ours = gradients(policy)
    policy.zero_grad()
    for row, ids in enumerate(groups[0].completions):
        (plain(policy, groups[0].prompt, ids)[1] * weights[row, : len(ids)]).sum().backward()
    assert relative_difference(ours, gradients(policy)) <= 1e-8


def test_the_logits_of_all_tokens_are_computed_neither_in_training_nor_in_scoring():
    policy, encoder = tiny_policy(), tiny_encoder()
    calls = []
    policy.core.lm_head.register_forward_hook(lambda *_: calls.append(1))
    groups = groups_of([(56, 56), None])
    token_log_probs(policy, groups).log_probs.sum().backward()
    reference_of(policy).log_probs(groups)
    rows = [EncodedRow(group.prompt, ids) for group in groups for ids in group.completions]
    supervised_loss(policy, encoder.batch(rows))[0].backward()
    assert calls == []
    policy.raw_logits(torch.zeros(1, 64, dtype=torch.float64))
    assert calls == [1], "it would have been noticed"


@pytest.mark.parametrize("head", ["adapted", "biased"])
def test_a_head_that_is_more_than_a_matrix_is_refused(head):
    policy = tiny_policy()
    rows, columns = policy.head_weight.shape[::-1]
    policy.core.lm_head = {
        "biased": torch.nn.Linear(rows, columns, dtype=torch.float64),
        "adapted": torch.nn.Sequential(policy.core.lm_head),
    }[head]
    with pytest.raises(TypeError, match="without bias and without an adapter"):
        token_log_probs(policy, groups_of([None]))


def test_a_completion_of_end_tokens_counts_in_full_although_they_are_the_padding_too():
    encoder = Encoder(tiny_encoder().processor)
    end = encoder.end_ids[0]
    encoder.pad_id = end
    policy = tiny_policy()
    first, second = prompts([None, (56, 56)])
    completions = [[7, end, end], [3, end, 5, 9, 11, end]]
    rows = [EncodedRow(prompt, ids) for prompt, ids in zip((first, second), completions, strict=True)]
    batch = encoder.batch(rows)
    assert batch.attention_mask.sum(dim=1).tolist() == [row.length for row in rows]
    learned = [labels[labels != -100].tolist() for labels in batch.labels]
    assert learned == completions
    packed = token_log_probs(policy, [PromptGroup(row.prompt, (tuple(row.completion_ids),)) for row in rows])
    assert packed.mask.sum(dim=1).tolist() == [3, 6]
    unsuppressed = tiny_policy(is_suppressing=False)
    alone = sum(supervised_loss(unsuppressed, encoder.batch([row]))[0] for row in rows)
    assert_close(supervised_loss(unsuppressed, batch)[0], alone, rtol=1e-12, atol=1e-12)
