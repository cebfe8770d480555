"""Judged and true scores of a study: means, gaps and differences by hand, curves bin by bin, and what is left out."""

from dataclasses import replace

import pytest

from pathvlm_r1.evaluation import (
    JudgedAnswer,
    JudgedBin,
    JudgedRun,
    overoptimisation,
    overoptimisation_markdown,
    overoptimisation_png,
    overoptimisation_table,
)
from pathvlm_r1.tracking import TrackingError

SETTINGS = {"true_judge": "oracle", "seed": 0, "replicates": 100}


def answers(accuracies, true, judged):
    return [
        JudgedAnswer(sample_id=f"q{at}", image_id=f"image{at}", accuracy=a, true=t, judged=j)
        for at, (a, t, j) in enumerate(zip(accuracies, true, judged, strict=True))
    ]


def judged_bin(first, last, logged, asked):
    return JudgedBin(first_step=first, last_step=last, completions=8, accuracy=0.5, process_logged=logged,
                     process_asked=asked, gap=None if logged is None else logged - asked, missing=0)  # fmt: skip


def run(arm, seed, judge, values, bins=()):
    return JudgedRun(arm=arm, seed=seed, judge=judge, folder=f"runs/{arm}-s{seed}", answers=answers(*values), bins=bins)


def study():
    """SFT, and GRPO by the oracle and by a judge that flatters, two seeds each."""
    none = [None] * 4
    return [
        run("sft", 0, None, ([1, 0, 1, 0], [0.5] * 4, none)),
        run("sft", 1, None, ([1, 1, 1, 0], [0.5] * 4, none)),
        *(
            run("grpo_oracle", seed, "oracle", ([1, 1, 1, 0], [0.8, 0.8, 0.6, 0.6], [0.8, 0.8, 0.6, 0.6]),
                [judged_bin(1, 2, 0.5, 0.5), judged_bin(3, 4, 0.7, 0.7)]) for seed in (0, 1)
        ),
        *(
            run("grpo_kind", seed, "kind", ([1, 0, 1, 0], [0.6, 0.6, 0.4, 0.4], [0.9, 0.9, 1.0, 0.8]),
                [judged_bin(1, 2, 0.6, 0.5), judged_bin(3, 4, 0.9, 0.5 - 0.1 * seed)]) for seed in (0, 1)
        ),
    ]  # fmt: skip


def test_rows_are_means_over_seeds_and_questions_and_differences_are_to_the_true_judges_arm():
    found = overoptimisation(study(), **SETTINGS)
    sft, kind, oracle = found.rows
    assert [row.arm for row in found.rows] == ["sft", "grpo_kind", "grpo_oracle"]
    assert (sft.accuracy.value, list(sft.accuracy.by_seed)) == (pytest.approx(0.625), [0.5, 0.75])
    assert (sft.judge, sft.judged, sft.gap) == (None, None, None)
    assert (oracle.gap.value, oracle.accuracy_difference, oracle.true_difference) == (0, None, None)
    assert (kind.true.value, kind.judged.value, kind.gap.value) == pytest.approx((0.5, 0.9, 0.4))
    assert kind.gap.low <= 0.4 <= kind.gap.high
    assert (kind.accuracy_difference.value, kind.true_difference.value) == pytest.approx((-0.25, -0.2))
    assert kind.true_difference.low == pytest.approx(-0.2), "the same on every question: paired, it has no spread"
    assert sft.true_difference.value == pytest.approx(-0.2)


def test_curves_are_means_over_the_seeds_bin_by_bin():
    kind, oracle = overoptimisation(study(), **SETTINGS).curves
    assert [(point.first_step, point.last_step) for point in kind.points] == [(1, 2), (3, 4)]
    assert [point.gap for point in kind.points] == pytest.approx([0.1, 0.45])
    assert list(kind.points[1].gap_by_seed) == pytest.approx([0.4, 0.5])
    assert [point.gap for point in oracle.points] == [0, 0]


def test_a_question_without_a_verdict_in_some_seed_is_in_no_mean_of_that_kind_and_said():
    runs = study()
    kind = runs[-1]
    lacking = [replace(kind.answers[0], judged=None), *kind.answers[1:]]
    found = overoptimisation([*runs[:-1], replace(kind, answers=lacking)], **SETTINGS)
    row = found.rows[1]
    assert (row.judged.n, row.gap.n, row.true.n, row.accuracy.n) == (3, 3, 4, 4)
    assert row.gap.value == pytest.approx((0.3 + 0.6 + 0.4) / 3)
    assert "grpo_kind: 1 of 4 questions have no judged process score in some seed." in overoptimisation_markdown(found)


def test_a_bin_that_a_seed_has_no_score_in_has_no_mean():
    runs = study()
    bins = [judged_bin(1, 2, None, 0.5), runs[-1].bins[1]]
    found = overoptimisation([*runs[:-1], replace(runs[-1], bins=bins)], **SETTINGS)
    assert found.curves[0].points[0].gap is None
    assert found.curves[0].points[1].gap is not None
    assert overoptimisation_png(found).startswith(b"\x89PNG")


def test_seeds_of_one_arm_that_were_trained_for_other_steps_are_refused():
    runs = study()
    other = replace(runs[-1], bins=[judged_bin(1, 3, 0.5, 0.5)])
    with pytest.raises(TrackingError, match="arm grpo_kind: runs/grpo_kind-s0 and runs/grpo_kind-s1 have taken other"):
        overoptimisation([*runs[:-1], other], **SETTINGS)


def test_one_seed_has_no_interval_over_seeds_and_a_base_is_compared_with_nothing():
    runs = [replace(study()[0], arm="base"), *study()[2::2]]
    base, kind, _ = overoptimisation(runs, **SETTINGS).rows
    assert (base.accuracy_difference, base.accuracy.seeds_low) == (None, None)
    assert (kind.accuracy_difference.seeds_low, kind.accuracy_difference.value) == (None, pytest.approx(-0.25))


def test_the_report_has_a_line_for_each_arm_and_point():
    found = overoptimisation(study(), **SETTINGS)
    text = overoptimisation_markdown(found)
    assert "| grpo_kind | kind | 0, 1 | 0.500 [" in text
    assert "| grpo_kind | 3 to 4 | 0.500 | 0.450 | 0.900 | +0.450 | +0.400, +0.500 |" in text
    assert overoptimisation_table(found).row_count == 3
