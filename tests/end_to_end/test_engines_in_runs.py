"""Whole runs with each engine that needs nothing but this machine."""

import pytest
from running import LIGHTNING_WARNINGS, TINY_GRPO, evaluated, metrics, trained

from pathvlm_r1.tracking import read_manifest

pytestmark = [*LIGHTNING_WARNINGS, pytest.mark.medium]


@pytest.mark.parametrize("engine", ["native", "hf"])
def test_grpo_trains_on_the_completions_of_each_engine_and_finds_its_log_probs_again(engine, tmp_path):
    run = trained(tmp_path, *TINY_GRPO, f"rollout={engine}", "stage.init=base", "trainer.max_steps=1")
    (row,) = metrics(run)
    assert float(row["grpo/sampler_mismatch"]) < 1e-4, "in float32 rounding alone"
    assert float(row["grpo/ratio"]) == pytest.approx(1, abs=1e-5)
    assert read_manifest(run.path).config["rollout"]["name"] == engine


def test_the_engines_give_the_same_greedy_scores(tmp_path):
    rows = [evaluated(f"output={tmp_path / engine}", f"rollout={engine}") for engine in ("native", "hf")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("engine", ["native", "hf"])
def test_an_evaluation_may_draw_with_every_filter(engine, tmp_path):
    filters = ("evaluation.top_k=20", "evaluation.top_p=0.9", "evaluation.min_p=0.05", "evaluation.samples=2")
    (row,) = evaluated(f"output={tmp_path}", f"rollout={engine}", "evaluation=sampled", *filters)
    assert row.n == 12  # two decodes of six questions
