"""The reference policy: it stays where the policy began, and shares with it what does not train."""

from dataclasses import replace

import pytest
import torch
from tiny import PEFT_WARNING, perturbed, prompts, random_completions, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.model import PromptGroup, reference_of, token_log_probs

pytestmark = PEFT_WARNING


def groups():
    ids = random_completions([5, 3, 4, 6])
    first, second = prompts([(56, 56), (84, 56)])
    return [PromptGroup(first, tuple(ids[:2])), PromptGroup(second, tuple(ids[2:]))]


@pytest.mark.parametrize("adapter", ["full", "vision", "lora"])
def test_it_is_the_policy_at_step_0_and_stays_there(adapter):
    policy = tiny_policy(adapter)
    at_step_0 = token_log_probs(policy, groups()).log_probs.detach()
    reference = reference_of(policy)
    assert_close(reference.log_probs(groups()), at_step_0, rtol=0, atol=1e-12)
    perturbed(policy)
    assert (token_log_probs(policy, groups()).log_probs - at_step_0).abs().max() > 1e-3
    assert_close(reference.log_probs(groups()), at_step_0, rtol=0, atol=1e-12)


def test_a_frozen_vision_tower_and_its_features_are_not_held_twice(monkeypatch):
    policy = tiny_policy("full")
    reference = reference_of(policy)
    theirs = dict(reference._policy.named_parameters())
    shared = {name for name, parameter in policy.named_parameters() if parameter is theirs[name]}
    assert shared == {name for name, parameter in policy.named_parameters() if not parameter.requires_grad}
    assert shared
    token_log_probs(policy, groups_with_keys := [group_with_key(group, index) for index, group in enumerate(groups())])
    monkeypatch.setattr(type(policy), "encode_pictures", None)  # encoding a picture again would fail
    reference.log_probs(groups_with_keys)


def test_a_vision_tower_that_trains_is_held_twice():
    policy = tiny_policy("vision")
    theirs = dict(reference_of(policy)._policy.named_parameters())
    assert not any(parameter is theirs[name] for name, parameter in policy.named_parameters())
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in policy.named_parameters())


def group_with_key(group, index):
    named = tuple(replace(picture, key=f"{index}/{i}") for i, picture in enumerate(group.prompt.pictures))
    return PromptGroup(replace(group.prompt, pictures=named), group.completions)
