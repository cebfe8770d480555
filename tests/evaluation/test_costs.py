"""What a report says of a run's budget and of its reward weights."""

from dataclasses import asdict, replace

import pytest
from composing import composed
from evaluated_runs import any_manifest, evaluated_run

from pathvlm_r1.config import TrainConfig
from pathvlm_r1.evaluation import markdown
from pathvlm_r1.evaluation.collecting import collect
from pathvlm_r1.evaluation.costs import training_cost, weights_note
from pathvlm_r1.evaluation.summary import summarise
from pathvlm_r1.reward import EVENTS
from pathvlm_r1.tracking import read_manifest, write_json

GRPO = {"prompts_per_step": 4, "group_size": 8, "minibatches": 2, "num_iterations": 3}
REWARD = {"name": "dual", "missing": "group_mean", "accuracy": {"weight": 1.0}, "process": {"weight": 0.5}}


def trained(arm, stage_config, steps, **changes):
    """A manifest of a run that took `steps` optimiser steps in 12 seconds."""
    config = {"stage": stage_config, **changes}
    stage = arm.split("_")[0]
    return replace(
        any_manifest(), arm=arm, stage=stage, config=config, seconds=12.0, measured={"optimiser_steps": steps}
    )


@pytest.mark.parametrize(("steps", "rollouts"), [(6, 1), (12, 2), (13, 3)])
def test_a_grpo_run_cost_the_groups_of_all_its_rollouts_the_last_of_which_may_be_half_used(steps, rollouts):
    cost = training_cost(trained("grpo", GRPO, steps))
    assert (cost.optimiser_steps, cost.rollouts, cost.completions, cost.seconds) == (
        steps, rollouts, rollouts * 4 * 8, 12.0,
    )  # fmt: skip


def test_an_sft_run_cost_the_references_that_it_read_and_the_base_nothing():
    cost = training_cost(trained("sft_continued", {"rows_per_step": 32}, 5))
    assert (cost.stage, cost.rollouts, cost.completions) == ("sft_continued", None, 160)
    assert training_cost(any_manifest()) is None


def test_reward_weights_other_than_1_are_named_and_only_those_of_runs_that_were_rewarded():
    assert (
        weights_note(trained("grpo", GRPO, 1, reward=REWARD)) == "grpo, seed 0: reward weights accuracy 1, process 0.5"
    )
    assert weights_note(trained("sft", {"rows_per_step": 1}, 1, reward=REWARD)) is None
    equal = REWARD | {"process": {"weight": 1.0}}
    assert weights_note(trained("grpo", GRPO, 1, reward=equal)) is None


def test_weights_of_own_terms_and_schedules_are_named_too():
    own = REWARD | {"process": None, "terms": {"brief": {"weight": 0.5, "_target_": "m.brief"}}}
    assert weights_note(trained("grpo", GRPO, 1, reward=own)) == "grpo, seed 0: reward weights accuracy 1, brief 0.5"
    schedule = {"first": 0.0, "last": 2.0, "from_step": 0, "to_step": 50}
    moving = {"accuracy": {"weight": 1.0, "schedule": schedule}, "format": {"weight": 1.0, "schedule": None}}
    assert weights_note(trained("grpo", GRPO, 1, reward=moving)) == (
        "grpo, seed 0: reward weights accuracy 1 (times 0 to 2 from step 0 to 50), format 1"
    )


def test_events_of_the_rubric_that_count_other_than_once_are_named_though_the_term_counts_once():
    events = dict.fromkeys(EVENTS, 1.0) | {"option_elimination": 0.0, "definition_error": 2.5}
    weighed = {"accuracy": {"weight": 1.0}, "process": {"weight": 1.0, "coefficient": 0.4, "events": events}}
    assert weights_note(trained("grpo", GRPO, 1, reward=weighed)) == (
        "grpo, seed 0: reward weights accuracy 1, process 1 (events option_elimination 0, definition_error 2.5)"
    )
    for once in (dict.fromkeys(EVENTS, 1.0), None):
        weighed["process"]["events"] = once
        assert weights_note(trained("grpo", GRPO, 1, reward=weighed)) is None


def test_the_note_reads_the_events_as_a_manifest_has_them():
    """From what is typed to the configuration that a manifest keeps."""
    typed = ["stage=grpo", "+reward.process.events={" + ", ".join(f"{name}: 1" for name in EVENTS[:-1])
             + f", {EVENTS[-1]}: 3}}"]  # fmt: skip
    config = asdict(TrainConfig.checked(composed("train", *typed)))
    manifest = trained("grpo", GRPO, 1, reward=config["reward"])
    assert weights_note(manifest).endswith(f"process 1 (events {EVENTS[-1]} 3)")


def test_a_report_has_a_row_of_cost_per_trained_run_and_names_the_weights(tmp_path):
    evaluated_run(tmp_path, "base")
    run = evaluated_run(tmp_path, "grpo")
    manifest = replace(
        read_manifest(run), stage="grpo", config={"stage": GRPO, "reward": REWARD}, measured={"optimiser_steps": 6}
    )
    write_json(run / "manifest.json", manifest.row)
    text = markdown(summarise(collect(tmp_path), seed=0, replicates=100))
    assert "| grpo | 0 | 6 | 1 | 32 | 0 |" in text
    assert "- grpo, seed 0: reward weights accuracy 1, process 0.5" in text
    assert "| base | 0 | - |" not in text
