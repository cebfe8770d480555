"""The metrics of a GRPO step: their names, which dashboards rely on, and their values on made-up rollouts."""

from dataclasses import replace

import pytest
from graded_groups import ACCURACY, FORMAT, groups_of, rewarded
from written_completions import FLAWLESS

from pathvlm_r1.reward import EVENTS, Gate, Provenance, Schedule, Score, Shape, Verdict
from pathvlm_r1.stages.telemetry import describe_rewards, describe_rollout

WORDS = ["rrrr", "wwww", "rrwb", "celw"]


def test_groups_are_counted_by_accuracy_and_by_their_signal():
    described = describe_rewards(rewarded(groups_of(*WORDS)))
    shares = {name: value for name, value in described.items() if name.startswith("grpo/groups/")}
    assert shares == {
        "grpo/groups/no_signal": 0.5, "grpo/groups/all_zero": 0.5, "grpo/groups/all_one": 0.25,
        "grpo/groups/mixed": 0.25,
    }  # fmt: skip
    assert described["grpo/reward/accuracy"] == pytest.approx(7 / 16)
    assert described["grpo/missing/accuracy"] == 0


def test_a_reward_without_accuracy_has_no_groups_by_accuracy():
    described = describe_rewards(rewarded(groups_of(*WORDS), FORMAT))
    assert {name for name in described if "groups" in name} == {"grpo/groups/no_signal"}
    assert "grpo/groups/mixed" in describe_rewards(rewarded(groups_of(*WORDS), ACCURACY))


def judged_by_a_model(value, *, is_cached, unfound=()):
    paid = Provenance(judge="openai", schema="v1", is_cached=is_cached, cost_usd=0.0 if is_cached else 0.25)
    return Score(value, "judged", Verdict(None, "judged", paid, unfound))


def test_verdicts_of_a_model_are_counted_with_what_they_cost_and_those_of_the_oracle_are_not():
    table = rewarded(groups_of("rw", "wr"))
    assert not [name for name in describe_rewards(table) if "judge" in name]
    rows = [[judged_by_a_model(1.0, is_cached=False, unfound=("a", "b")), judged_by_a_model(1.0, is_cached=True)]] * 2
    described = describe_rewards(replace(table, scores=dict(table.scores) | {"process": rows}))
    assert {name: value for name, value in described.items() if "judge" in name} == {
        "grpo/judge/cost_usd": 0.5, "grpo/judge/cached": 2.0, "grpo/judge/unfound_evidence": 4.0,
    }  # fmt: skip


def judged_by_a_panel(*members):
    paid = Provenance(judge="openai", schema="v1", cost_usd=0.25)
    each = {f"m{place}": Verdict(member, "judged", paid) for place, member in enumerate(members)}
    return Score(0.5, "judged", Verdict(members[0], "judged", Provenance(judge="panel", cost_usd=9.0), members=each))


def test_a_panels_disagreement_is_a_metric_and_its_members_cost_is_counted_once():
    table = rewarded(groups_of("rw"))
    other = replace(FLAWLESS, definition_error=True, option_elimination=False)
    rows = [[judged_by_a_panel(FLAWLESS, other, None), judged_by_a_panel(FLAWLESS, FLAWLESS, FLAWLESS)]]
    described = describe_rewards(replace(table, scores=dict(table.scores) | {"process": rows}))
    assert described["grpo/judge/cost_usd"] == 6 * 0.25
    shares = {name.split("/")[-1]: value for name, value in described.items() if "disagreement" in name}
    differing = {"definition_error": 0.5, "option_elimination": 0.5}
    assert shares == {**dict.fromkeys(EVENTS, 0.0), **differing, "disagreement": pytest.approx(1 / 6)}
    silent = [[judged_by_a_panel(FLAWLESS, None), judged_by_a_panel(None, None)]]
    alone = describe_rewards(replace(table, scores=dict(table.scores) | {"process": silent}))
    assert not [name for name in alone if "disagreement" in name]


def test_completions_that_were_cut_are_empty_or_loop_are_counted_from_the_first_rollout_on():
    groups = groups_of(*WORDS)
    described = describe_rollout(groups, {"rollout": 2.0, "update": 1.0})
    assert (described["grpo/cap_hits"], described["grpo/empty"], described["grpo/looping"]) == (1, 1, 1)
    lengths = [completion.token_count for group in groups for completion in group]
    assert described["grpo/completion_tokens"] == pytest.approx(sum(lengths) / 16)
    assert described["grpo/completion_tokens_max"] == max(lengths)
    assert described["grpo/tokens_per_second"] == pytest.approx(sum(lengths) / 3)
    assert described["grpo/prompts"] == 4


def test_what_counts_and_weights_that_move_are_reported_beside_the_raw_scores():
    shape = Shape(gate=Gate("accuracy", 1.0), schedule=Schedule(0.0, 1.0, 0, 4))
    described = describe_rewards(rewarded(groups_of("rw", "wr"), ACCURACY, replace(FORMAT, shape=shape)))
    assert (described["grpo/reward/format"], described["grpo/reward/format_effective"]) == (1.0, 0.5)
    assert described["grpo/reward/format_weight"] == 0.0
    assert not [name for name in describe_rewards(rewarded(groups_of("rw"))) if "effective" in name or "weight" in name]
