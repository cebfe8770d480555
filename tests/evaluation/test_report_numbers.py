"""Rows, means and comparisons of a report, against the numbers that its predictions give by hand."""

import json
import statistics

import numpy as np
import pytest
from evaluated_runs import add_predictions, answered, evaluated_run, study

from pathvlm_r1.evaluation import (
    cluster_bootstrap,
    comparisons_from_items,
    mcnemar,
    read_items,
    read_summary,
    wilson,
)
from pathvlm_r1.evaluation.collecting import collect
from pathvlm_r1.evaluation.items import items_of, write_items
from pathvlm_r1.evaluation.summary import summarise
from pathvlm_r1.tracking import TrackingError, write_json

REPLICATES = 300
ROW = {
    "stage", "dataset", "split", "seed", "n", "accuracy", "ci_low", "ci_high", "format_rate", "process_score",
    "mean_completion_tokens", "cap_hits", "contract", "cap", "empty", "looping", "unread", "guessed",
}  # fmt: skip
COMPARISON = {"a", "b", "dataset", "seeds", "difference", "ci_low", "ci_high", "p"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def summary(runs):
    return summarise(collect(runs), seed=0, replicates=REPLICATES)


def plain(value):
    return json.loads(json.dumps(value))


def correct(arm, seed, dataset="phantom"):
    return np.array([float(p.is_correct) for p in answered(arm, seed, dataset)])


def comparison_of(summary, a, b, metric, dataset="phantom"):
    found = [c for c in summary.comparisons if (c.a, c.b, c.metric, c.dataset) == (a, b, metric, dataset)]
    assert len(found) == 1
    return found[0]


@pytest.mark.medium
def test_the_json_has_the_promised_keys(summary):
    written = plain(summary.as_json())
    assert {"rows", "comparisons", "controls", "sampled", "letters"} <= set(written)
    assert all(set(row) == ROW for row in written["rows"])
    assert all(set(row) >= COMPARISON for row in written["comparisons"])
    assert [row["stage"] for row in written["rows"]] == sorted(
        (row["stage"] for row in written["rows"]), key=["base", "sft", "sft_continued", "grpo"].index
    )


def test_rows_are_the_means_of_their_predictions(summary):
    row = next(row for row in summary.rows if (row.stage, row.dataset, row.seed) == ("grpo", "phantom_ct", 1))
    predictions = answered("grpo", 1, "phantom_ct")
    assert row.n == 40
    assert row.accuracy == pytest.approx(correct("grpo", 1, "phantom_ct").mean(), abs=1e-12)
    assert row.process_score == pytest.approx(statistics.fmean(p.process for p in predictions), abs=1e-12)
    assert row.cap_hits == 1
    assert row.ci_low < row.accuracy < row.ci_high


def test_an_arms_mean_is_that_of_its_seeds(summary):
    mean = next(mean for mean in summary.arms if (mean.stage, mean.dataset) == ("sft", "phantom"))
    assert list(mean.seeds) == [0, 1, 2]
    assert mean.n == 40
    assert mean.accuracy == pytest.approx(np.mean([correct("sft", seed) for seed in range(3)]), abs=1e-12)
    assert mean.cap_hits == 1
    assert mean.ci_low < mean.accuracy < mean.ci_high
    assert mean.process_low < mean.process_score < mean.process_high


@pytest.mark.parametrize(("a", "b"), [("sft", "grpo"), ("sft_continued", "grpo")])
def test_arms_are_compared_seed_by_seed_on_the_same_questions(summary, a, b):
    compared = comparison_of(summary, a, b, "accuracy")
    by_seed = [correct(b, seed).mean() - correct(a, seed).mean() for seed in range(3)]
    assert list(compared.seeds) == [0, 1, 2]
    assert compared.seed_differences == pytest.approx(by_seed, abs=1e-12)
    assert compared.difference == pytest.approx(statistics.fmean(by_seed), abs=1e-12)
    assert compared.ci_low <= compared.difference <= compared.ci_high
    assert compared.hierarchical_low <= compared.difference <= compared.hierarchical_high
    witness = [mcnemar(correct(a, seed) == 1, correct(b, seed) == 1).p_value for seed in range(3)]
    assert compared.mcnemar_p == pytest.approx(witness, abs=1e-12)


def test_the_base_stands_against_every_seed(summary):
    compared = comparison_of(summary, "base", "sft", "accuracy", "phantom_ct")
    base = correct("base", 0, "phantom_ct").mean()
    expected = [correct("sft", seed, "phantom_ct").mean() - base for seed in range(3)]
    assert compared.seed_differences == pytest.approx(expected, abs=1e-12)


def test_process_scores_are_compared_too_and_have_no_mcnemar(summary):
    compared = comparison_of(summary, "sft", "grpo", "process")
    scores = {arm: [p.process for seed in range(3) for p in answered(arm, seed)] for arm in ("sft", "grpo")}
    expected = statistics.fmean(scores["grpo"]) - statistics.fmean(scores["sft"])
    assert compared.difference == pytest.approx(expected, abs=1e-12)
    assert compared.mcnemar_p is None


def test_with_one_seed_a_comparison_has_the_interval_of_the_image_bootstrap(tmp_path):
    summary = summarise(collect(study(tmp_path, seeds=(0,))), seed=4, replicates=REPLICATES)
    compared = comparison_of(summary, "sft", "grpo", "accuracy")
    images = [p.image_id for p in answered("sft", 0)]
    differences = correct("grpo", 0) - correct("sft", 0)
    witness = cluster_bootstrap(differences, images, random=np.random.default_rng(4), replicates=REPLICATES)
    assert compared.difference == pytest.approx(differences.mean(), abs=1e-12)
    assert (compared.ci_low, compared.ci_high) == pytest.approx((witness.low, witness.high), abs=1e-12)
    assert compared.hierarchical_low is None


def test_only_the_common_seeds_are_compared(tmp_path):
    for arm, seeds in {"sft": (0, 1, 2), "grpo": (1, 2, 3)}.items():
        for seed in seeds:
            evaluated_run(tmp_path, arm, seed)
    summary = summarise(collect(tmp_path), seed=0, replicates=REPLICATES)
    assert list(comparison_of(summary, "sft", "grpo", "accuracy").seeds) == [1, 2]


def test_arms_without_a_common_seed_are_in_the_table_and_not_compared(tmp_path):
    evaluated_run(tmp_path, "sft", 0)
    evaluated_run(tmp_path, "grpo", 1)
    summary = summarise(collect(tmp_path), seed=0, replicates=REPLICATES)
    assert {row.stage for row in summary.rows} == {"sft", "grpo"}
    assert summary.comparisons == []


def test_questions_without_a_verdict_leave_the_process_comparison_alone(tmp_path):
    silent = answered("sft", 0, n=1, process=None) + answered("sft", 0)[1:]
    evaluated_run(tmp_path, "sft", files={"phantom.test.greedy": silent})
    evaluated_run(tmp_path, "grpo", files={"phantom.test.greedy": answered("grpo", 0)})
    summary = summarise(collect(tmp_path), seed=0, replicates=REPLICATES)
    assert comparison_of(summary, "sft", "grpo", "accuracy").n == 40
    assert comparison_of(summary, "sft", "grpo", "process").n == 39


def test_one_picture_is_compared_with_nothing(tmp_path):
    for arm in ("sft", "grpo"):
        evaluated_run(tmp_path, arm, files={"phantom.test.greedy": answered(arm, 0, n=1)})
    assert summarise(collect(tmp_path), seed=0, replicates=REPLICATES).comparisons == []


def test_the_comparisons_of_the_items_file_equal_those_of_the_report(tmp_path, runs, summary):
    path = tmp_path / "items.csv"
    write_items(path, items_of(collect(runs).in_domain_test))
    again = comparisons_from_items(path, dataset="phantom", seed=0, replicates=REPLICATES)
    in_domain = [comparison.as_json() for comparison in summary.comparisons if comparison.dataset == "phantom"]
    assert len(in_domain) == 6
    assert json.dumps([comparison.as_json() for comparison in again]) == json.dumps(in_domain)


def test_items_are_sorted_and_read_back_unchanged(tmp_path, runs):
    items = items_of(collect(runs).in_domain_test)
    path = tmp_path / "items.csv"
    write_items(path, items)
    assert read_items(path) == items
    assert path.read_text().splitlines()[0] == "seed,arm,sample_id,image_id,correct,process"
    assert items == sorted(items, key=lambda item: (item.seed, item.arm, item.sample_id))
    assert len(items) == 40 * 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an items.csv"),
        ("seed,arm\n", "items.csv:1: the columns are seed, arm"),
        ("seed,arm,sample_id,image_id,correct,process\n0,sft,a,a,1,0.5\nx,sft,b,b,1,0.5\n", "items.csv:3: not an item"),
        ("seed,arm,sample_id,image_id,correct,process\n0,sft,a,a,2,0.5\n", "items.csv:2: correct is 0 or 1"),
        ("seed,arm,sample_id,image_id,correct,process\n0,sft,a,a,1,nan\n", "items.csv:2: correct is 0 or 1"),
    ],
)
def test_a_file_that_is_no_items_file_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "items.csv"
    path.write_text(text)
    with pytest.raises(TrackingError, match=message):
        read_items(path)


def test_items_of_different_questions_are_refused(tmp_path):
    header = "seed,arm,sample_id,image_id,correct,process\n"
    (tmp_path / "items.csv").write_text(header + "0,sft,a,a,1,0.5\n0,sft,b,b,1,0.5\n0,grpo,a,a,1,0.5\n")
    with pytest.raises(TrackingError, match="sft and grpo did not answer the same questions"):
        comparisons_from_items(tmp_path / "items.csv", dataset="phantom", seed=0, replicates=REPLICATES)


def test_letters_types_controls_and_samples_stand_beside_the_result(tmp_path):
    base, sft = evaluated_run(tmp_path, "base"), evaluated_run(tmp_path, "sft")
    add_predictions(sft, {"phantom.test.greedy.blank": answered("sft", 0, control="blank")})
    add_predictions(base, {"phantom.test.sampled": answered("base", 0) * 5})
    summary = summarise(collect(tmp_path), seed=0, replicates=REPLICATES)
    assert [(v.row.stage, v.control) for v in summary.controls] == [("sft", "blank")]
    assert [(v.row.stage, v.decoding, v.row.n) for v in summary.sampled] == [("base", "sampled", 200)]
    assert {row.stage for row in summary.letters} == {"base"}
    assert summary.letters[0].letter_accuracy == pytest.approx(14 / 40, abs=1e-12)
    assert {row.question_type for row in summary.types} == {"diagnosis", "finding", "grade"}
    assert len(summary.rows) == 4


def test_accuracy_by_type_has_the_interval_of_the_dataset_for_one_seed_and_for_the_mean_of_seeds(tmp_path, summary):
    one_seed = summarise(collect(study(tmp_path, seeds=(0,))), seed=0, replicates=REPLICATES)
    for of, seeds in ((one_seed, (0,)), (summary, (0, 1, 2))):
        row = next(r for r in of.types if (r.stage, r.dataset, r.question_type) == ("grpo", "phantom", "finding"))
        right = np.array(
            [[p.is_correct for p in answered("grpo", seed) if p.question_type == "finding"] for seed in seeds]
        )
        images = [p.image_id for p in answered("grpo", 0) if p.question_type == "finding"] * len(seeds)
        random = np.random.default_rng(0)
        expected = (
            wilson(int(right.sum()), right.size) if len(seeds) == 1
            else cluster_bootstrap(right.astype(float).ravel(), images, random=random, replicates=REPLICATES)
        )  # fmt: skip
        assert row.accuracy == pytest.approx(right.mean(), abs=1e-12)
        assert (row.ci_low, row.ci_high) == (expected.low, expected.high)


def test_without_greedy_answers_there_is_no_report(tmp_path):
    evaluated_run(tmp_path, "sft", files={"phantom.test.sampled": answered("sft", 0)})
    with pytest.raises(TrackingError, match="evaluation=greedy"):
        summarise(collect(tmp_path), seed=0, replicates=REPLICATES)


def test_a_written_summary_is_read_back_whole_and_further_keys_do_no_harm(tmp_path, summary):
    write_json(tmp_path / "summary.json", summary.as_json() | {"commit": "abc"})
    assert plain(read_summary(tmp_path / "summary.json").as_json()) == plain(summary.as_json())


@pytest.mark.parametrize("text", [None, "{", "[]", '{"rows": []}'])
def test_a_file_that_is_no_summary_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    with pytest.raises(TrackingError, match=r"summary.json: not a summary"):
        read_summary(tmp_path / "summary.json")
