"""The total that an objective takes: the sum as the reward has it, or each term by itself as it counts."""

from types import SimpleNamespace

import torch
from composing import changed
from torch.testing import assert_close

from pathvlm_r1.assembly.objectives import decoupled, summed, total_of
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.grpo import decoupled_total
from pathvlm_r1.reward import RewardTable, WeightedTerm


def named(name, weight):
    return WeightedTerm(SimpleNamespace(name=name), weight)


def test_decoupled_terms_are_those_that_count_with_the_weights_of_the_step():
    raw, counts = torch.tensor([[0.2, 0.9, 0.4]]), torch.tensor([[0.2, 0.0, 0.4]])
    right = torch.tensor([[1.0, 0.0, 1.0]])
    total = right + 0.5 * counts
    table = RewardTable(
        {"accuracy": right, "process": raw}, {}, total, right > -1, {"accuracy": right, "process": counts},
        weighted=(named("accuracy", 1.0), named("process", 0.5)),
    )  # fmt: skip
    expected = decoupled_total(torch.stack([right, counts]), torch.tensor([1.0, 0.5]))
    assert_close(decoupled(table), expected, rtol=1e-6, atol=1e-6)
    assert summed(table) is total


def test_an_objective_names_its_total():
    for name, total in {"grpo": summed, "gdpo": decoupled}.items():
        assert total_of(TrainConfig.checked(changed("train", [f"objective={name}"], {}))) is total
