"""The numbers of two runs, against those that their predictions give by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from evaluated_runs import answered
from rich.console import Console

from pathvlm_r1.evaluation import (
    Compared,
    ComparisonSettings,
    Mismatch,
    compare_runs,
    comparison_text,
    detectable_difference,
    holm,
    image_bootstrap_of_seed_mean,
    mcnemar,
    paired_runs,
    wilson,
    write_predictions,
)
from pathvlm_r1.evaluation.comparing_runs import decisive_p
from pathvlm_r1.evaluation.flips import length_bins

SETTINGS = ComparisonSettings(confidence=0.95, power=0.8, margin=0.02, seed=3, replicates=400)
BEFORE, AFTER = answered("sft", 0, n=120), answered("grpo", 0, n=120)


def compared(folder, *arms, names=("phantom",), **options):
    """The comparison of predictions, one or more datasets of the same answers."""
    for key, predictions in zip("ab", arms, strict=True):
        write_predictions(folder / f"{key}.jsonl", predictions)
    options = {"is_common_enough": True, "may_differ": list(Mismatch)} | options
    runs = [paired_runs(name, folder / "a.jsonl", folder / "b.jsonl", **options) for name in names]
    return compare_runs(runs, SETTINGS)


def right(predictions):
    return np.array([one.is_correct for one in predictions])


def test_the_numbers_are_those_of_the_paired_bootstrap_and_of_mcnemar(tmp_path):
    (comparison,) = compared(tmp_path, BEFORE, AFTER)
    accuracy, process = comparison.metrics
    images = [one.image_id for one in BEFORE]
    witness = image_bootstrap_of_seed_mean(
        (right(AFTER).astype(float) - right(BEFORE))[np.newaxis],
        images,
        random=np.random.default_rng(3),
        replicates=400,
    )
    assert (accuracy.a, accuracy.b) == (right(BEFORE).mean(), right(AFTER).mean())
    assert (accuracy.difference, accuracy.p) == (witness.difference, witness.p_value)
    assert (accuracy.low, accuracy.high) == (witness.interval.low, witness.interval.high)
    assert accuracy.non_inferiority.low == accuracy.low
    assert accuracy.mcnemar == mcnemar(right(BEFORE), right(AFTER))
    discordance = float(np.mean(right(BEFORE) != right(AFTER)))
    assert accuracy.detectable == pytest.approx(detectable_difference(discordance, 120), rel=1e-9)
    assert process.mcnemar is None
    assert process.difference == pytest.approx(
        np.mean([b.process - a.process for a, b in zip(BEFORE, AFTER, strict=True)])
    )


def test_p_is_corrected_over_the_metrics_and_datasets_of_the_table(tmp_path):
    comparisons = compared(tmp_path, BEFORE, AFTER, names=("x", "y", "z"))
    table = [metric for comparison in comparisons for metric in comparison.metrics]
    assert [metric.family for metric in table] == [6] * 6
    assert [metric.p_holm for metric in table] == list(holm([decisive_p(metric) for metric in table]))
    assert "by Holm over 6" in table[0].claim or "No " in table[0].claim


def test_runs_with_the_same_right_answers_have_an_interval_with_a_width(tmp_path):
    accuracy = compared(tmp_path, BEFORE, BEFORE)[0].metrics[0]
    half = 1 - wilson(120, 120).low
    assert (accuracy.low, accuracy.high) == pytest.approx((-half, half), rel=1e-12)
    assert accuracy.detectable == detectable_difference(0.0, 120)
    assert not accuracy.non_inferiority.is_shown, "120 pictures do not exclude a loss of two points"
    assert accuracy.non_inferiority.p_value == pytest.approx(0.98**120, rel=1e-9)
    assert accuracy.claim.startswith("No detectable difference in accuracy: +0.0 points [-3.1, +3.1]")


def test_questions_without_a_verdict_and_lone_pictures_leave_their_metric_out(tmp_path):
    silent = [replace(one, process=None) for one in AFTER]
    assert [metric.metric for metric in compared(tmp_path, BEFORE, silent)[0].metrics] == ["accuracy"]
    partly = [*silent[:100], *AFTER[100:]]
    assert [metric.n for metric in compared(tmp_path, BEFORE, partly)[0].metrics] == [120, 20]
    (lone,) = compared(tmp_path, BEFORE[:1], AFTER[:1])
    assert lone.metrics == ()
    assert "One picture says nothing" in shown(lone)


def test_flips_are_counted_by_type_and_length_and_add_up(tmp_path):
    (comparison,) = compared(tmp_path, BEFORE, AFTER)
    test = comparison.metrics[0].mcnemar
    for by in ("question type", "tokens of b"):
        rows = [row for row in comparison.flips if row.by == by]
        assert (sum(row.fixed for row in rows), sum(row.broken for row in rows)) == (test.only_second, test.only_first)
        assert sum(row.n for row in rows) == 120
    assert [row.value for row in comparison.flips[:3]] == ["diagnosis", "finding", "grade"]
    assert "source" not in {row.by for row in comparison.flips}, "there is one alone"
    finding = next(row for row in comparison.flips if row.value == "finding")
    of_type = [index for index, one in enumerate(BEFORE) if one.question_type == "finding"]
    assert finding.p == mcnemar(right(BEFORE)[of_type], right(AFTER)[of_type]).p_value
    assert [row.p_holm for row in comparison.flips] == list(holm([row.p for row in comparison.flips]))


def test_several_sources_have_a_row_each(tmp_path):
    before, after = ([*of[:60], *(replace(one, dataset="atlas") for one in of[60:])] for of in (BEFORE, AFTER))
    rows = [row for row in compared(tmp_path, before, after)[0].flips if row.by == "source"]
    assert [(row.value, row.n) for row in rows] == [("atlas", 60), ("phantom", 60)]


@pytest.mark.parametrize(
    ("lengths", "bins"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], [(1, 2), (3, 4), (5, 6), (7, 8)]),
        ([9, 9, 9, 9], [(9, 9)]),
        ([1, 1, 1, 1, 1, 1, 1, 50], [(1, 1), (50, 50)]),
        ([4], [(4, 4)]),
        ([1, 5, 20], [(1, 1), (5, 5), (20, 20)]),
    ],
)
def test_lengths_are_cut_at_quartiles_and_equal_ones_share_a_bin(lengths, bins):
    assert length_bins(lengths) == bins


def test_several_decodes_are_compared_by_their_share_and_flip_nothing(tmp_path):
    sampled = [replace(one, decode=decode) for decode in range(3) for one in answered("sft", decode, n=120)]
    (comparison,) = compared(tmp_path, sampled, AFTER)
    accuracy = comparison.metrics[0]
    assert accuracy.a == pytest.approx(np.mean([one.is_correct for one in sampled]), rel=1e-12)
    assert accuracy.mcnemar is None
    assert comparison.flips == ()
    assert "3 of a, 1 of b" in shown(comparison)


def shown(*comparisons):
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as capture:
        everything = Compared(a="first", b="second", comparisons=comparisons, only_a=["bccd"], only_b=[])
        console.print(comparison_text(everything), markup=False, highlight=False, soft_wrap=True)
    return capture.get()


def test_the_screen_says_what_was_compared_and_what_may_be_claimed(tmp_path):
    (comparison,) = compared(tmp_path, BEFORE, AFTER)
    text = shown(comparison)
    assert "not compared, a alone has answers: bccd" in text
    assert "same items: 120 questions on 120 pictures" in text
    assert "same contract: think_answer_v1, same prompts" in text
    assert "MARK" not in text
    assert all(metric.claim in text for metric in comparison.metrics)
    assert "not of other training seeds" in text
    tables = [line for line in text.splitlines() if line.startswith(("accuracy", "process", " diagnosis"))]
    assert all(len(line) <= 80 for line in tables)
    assert "…" not in text


def test_what_differs_is_marked(tmp_path):
    other = [replace(one, contract="letters_v1", prompt_hash="f" * 64) for one in AFTER[:100]]
    text = shown(*compared(tmp_path, BEFORE, other))
    assert "MARK: 100 questions on 100 pictures in common; left out: 20 of a, 0 of b" in text
    assert "MARK: another contract on 100 of 100 questions (think_answer_v1 against letters_v1)" in text
    assert "MARK: another prompt on 100 of 100 questions" in text
    assert "same contract" not in text


def test_a_comparison_is_json(tmp_path):
    (comparison,) = compared(tmp_path, BEFORE, AFTER)
    written = json.loads(json.dumps(comparison.as_json()))
    assert written["metrics"][0]["mcnemar"]["only_second"] == comparison.metrics[0].mcnemar.only_second
    assert written["flips"][0]["by"] == "question type"
