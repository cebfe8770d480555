import json
from dataclasses import asdict, replace
from io import StringIO
from statistics import mean, stdev

import numpy as np
import pytest
import torch
from graded_groups import ACCURACY, FORMAT, SAMPLES, groups_of, rewarded
from rich.console import Console
from written_completions import CONTRACT

from pathvlm_r1.evaluation import cluster_bootstrap, measure_readiness, pass_at_k, readiness_table, wilson
from pathvlm_r1.reward import RewardTable
from pathvlm_r1.stages.telemetry import describe_groups, describe_rewards

WORDS = ["rrrr", "wwww", "rrwb", "celw", "wwwr", "rrrb"]
PAIRED = [replace(sample, image_id=f"picture {index // 2}") for index, sample in enumerate(SAMPLES)]


def measured(words, *terms, samples=SAMPLES, prompts_per_step=8, replicates=200):
    groups = groups_of(*words, samples=samples)
    return measure_readiness(
        groups, rewarded(groups, *terms), contract=CONTRACT, prompts_per_step=prompts_per_step, seed=0,
        replicates=replicates,
    )  # fmt: skip


def value(readiness, name):
    return readiness.estimates[name].value


def ends(readiness, name):
    return readiness.estimates[name].low, readiness.estimates[name].high


def test_means_and_shares_are_those_of_plain_python():
    found = measured(WORDS)
    assert value(found, "reward/accuracy") == pytest.approx(mean([1, 0, 3 / 4, 0, 1 / 4, 1]))
    assert value(found, "reward/format") == pytest.approx(mean([1, 1, 3 / 4, 1 / 4, 1, 3 / 4]))
    assert value(found, "reward/total") == pytest.approx(mean([2, 1, 6 / 4, 1 / 4, 5 / 4, 7 / 4]))
    assert value(found, "reward/accuracy/std_in_group") == pytest.approx(2 * stdev([1, 0, 0, 0]) / 6)
    assert value(found, "groups/all_one") == pytest.approx(2 / 6)
    assert value(found, "groups/all_zero") == pytest.approx(2 / 6)
    assert value(found, "groups/mixed") == pytest.approx(2 / 6)
    assert value(found, "groups/no_signal") == pytest.approx(2 / 6)
    for form in ("cap_hits", "empty", "looping"):
        assert value(found, form) == pytest.approx(1 / 24)
    assert (found.prompts, found.pictures, found.group_size) == (6, 6, 4)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_pass_at_k_is_the_mean_of_the_unbiased_estimates_of_the_prompts(k):
    expected = mean(pass_at_k(4, right, k) for right in (4, 0, 3, 0, 1, 4))
    assert value(measured(WORDS), f"pass@{k}") == pytest.approx(expected)


def test_pass_at_1_is_the_accuracy_and_pass_at_the_group_size_the_share_of_groups_with_a_right_answer():
    found = measured(WORDS)
    assert value(found, "pass@1") == pytest.approx(value(found, "reward/accuracy"))
    assert value(found, "pass@4") == pytest.approx(1 - value(found, "groups/all_zero"))


def test_the_words_are_those_of_the_training_metrics():
    groups = groups_of(*WORDS)
    metrics = describe_rewards(rewarded(groups))
    found = measured(WORDS)
    for name in describe_groups(rewarded(groups)):
        assert value(found, name.removeprefix("grpo/")) == pytest.approx(metrics[name])
    for term in ("accuracy", "format", "total"):
        assert value(found, f"reward/{term}") == pytest.approx(metrics[f"grpo/reward/{term}"])


def test_a_step_has_no_gradient_where_all_its_groups_are_without_a_signal():
    found = measured(["rrrr", "rrww", "wwww", "rwww"], prompts_per_step=3)
    assert value(found, "steps/no_signal") == pytest.approx(0.5**3)
    low, high = ends(found, "groups/no_signal")
    assert ends(found, "steps/no_signal") == pytest.approx((low**3, high**3))
    assert value(found, "steps/groups_with_signal") == pytest.approx(1.5)
    assert ends(found, "steps/groups_with_signal") == pytest.approx((3 * (1 - high), 3 * (1 - low)))


def test_shares_of_prompts_with_a_picture_each_have_wilsons_interval():
    assert ends(measured(WORDS), "groups/mixed") == tuple(asdict(wilson(2, 6)).values())


def test_prompts_of_one_picture_are_resampled_together():
    found = measured(WORDS, samples=PAIRED)
    mixed, pictures = np.array([0.0, 0, 1, 0, 1, 0]), [sample.image_id for sample in PAIRED[:6]]
    expected = cluster_bootstrap(mixed, pictures, random=np.random.default_rng(0), replicates=200)
    assert ends(found, "groups/mixed") == (expected.low, expected.high)
    assert found.pictures == 3


def test_what_never_happens_has_an_upper_end_above_zero():
    found = measured(["rrww"] * 20)
    assert value(found, "cap_hits") == 0
    assert ends(found, "cap_hits")[1] > 0.1
    assert ends(measured(["wwww"] * 20), "reward/accuracy")[1] > 0.1


def test_every_interval_holds_its_estimate():
    for found in (measured(WORDS), measured(WORDS, samples=PAIRED)):
        for estimate in found.estimates.values():
            assert estimate.low - 1e-12 <= estimate.value <= estimate.high + 1e-12


def test_one_picture_gives_means_without_an_interval():
    samples = [replace(sample, image_id="the only one") for sample in SAMPLES]
    found = measured(["rwrw", "rrww"], samples=samples)
    assert ends(found, "reward/total") == (None, None)
    assert value(found, "reward/total") == pytest.approx(1.5)
    assert ends(found, "groups/mixed") == (0.0, 1.0)


def test_groups_without_a_verdict_are_left_out_of_a_terms_mean_and_counted():
    groups = groups_of("rrrr", "wwww", "rrww")
    scores = torch.tensor([[0.5, 1.0, 0.5, 1.0], [torch.nan] * 4, [1.0, torch.nan, torch.nan, torch.nan]]).double()
    table = RewardTable({"process": scores}, {}, scores.nan_to_num(0.5), ~scores.isnan())
    found = measure_readiness(groups, table, contract=CONTRACT, prompts_per_step=2, seed=0, replicates=50)
    assert value(found, "reward/process") == pytest.approx((0.75 + 1.0) / 2)
    assert value(found, "reward/process/std_in_group") == pytest.approx(stdev([0.5, 1.0, 0.5, 1.0]))
    assert found.missing == {"process": 7}
    assert value(found, "pass@1") == pytest.approx(0.5)


def test_equal_rewards_have_a_spread_of_exactly_zero():
    groups = groups_of("rrrr", "rrrr")
    total = torch.full((2, 4), 0.7, dtype=torch.float64)
    table = RewardTable({"accuracy": total}, {}, total, total > 0)
    found = measure_readiness(groups, table, contract=CONTRACT, prompts_per_step=2, seed=0, replicates=50)
    assert value(found, "reward/total/std_in_group") == 0


def test_a_second_measurement_is_the_same_and_only_the_seed_moves_intervals():
    assert measured(WORDS, samples=PAIRED) == measured(WORDS, samples=PAIRED)
    json.dumps(asdict(measured(WORDS)), allow_nan=False)


def test_the_table_has_a_row_for_every_estimate():
    console = Console(width=100, record=True, file=StringIO())
    found = measured(WORDS, ACCURACY, FORMAT)
    console.print(readiness_table(found))
    text = console.export_text()
    for name, estimate in found.estimates.items():
        (line,) = [line for line in text.splitlines() if line.split()[:1] == [name]]
        assert f"{estimate.value:.3f}" in line
