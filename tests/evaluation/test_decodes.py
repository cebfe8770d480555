"""Several decodes in a report, against what their predictions give by hand."""

from dataclasses import replace

import numpy as np
import pytest
from evaluated_runs import answered, evaluated_run

from pathvlm_r1.evaluation import markdown, mean_of_repeats, read_summary
from pathvlm_r1.evaluation.collecting import collect
from pathvlm_r1.evaluation.summary import summarise
from pathvlm_r1.tracking import write_json


def sampled(k):
    return [replace(one, decode=decode) for decode in range(k) for one in answered("sft", decode)]


def summary_of(tmp_path, predictions):
    files = {"phantom.test.greedy": answered("sft", 0), "phantom.test.sampled": predictions}
    evaluated_run(tmp_path, "sft", files=files)
    return summarise(collect(tmp_path), seed=0, replicates=100)


def test_decodes_have_their_spread_their_union_and_their_vote(tmp_path):
    summary = summary_of(tmp_path, sampled(5))
    (row,) = summary.decodes
    right = np.array([[one.is_correct for one in answered("sft", decode)] for decode in range(5)])
    student = mean_of_repeats(list(right.mean(axis=1)))
    assert (row.k, row.accuracy, row.sd) == (5, student.mean, student.sd)
    assert (row.t_low, row.t_high) == (student.interval.low, student.interval.high)
    assert row.pass_at_k == right.any(axis=0).mean()
    assert row.majority == (right.sum(axis=0) >= 3).mean(), "they answer A or B, and A is right"
    text = markdown(summary)
    assert "## Over decodes" in text
    assert f"| sft | 0 | phantom | sampled | 5 | {row.accuracy:.3f} [" in text
    write_json(tmp_path / "summary.json", summary.as_json())
    assert read_summary(tmp_path / "summary.json").decodes == [row]


@pytest.mark.parametrize("predictions", [answered("sft", 0), sampled(3)[:-1]])
def test_one_decode_or_an_uneven_number_has_no_row(tmp_path, predictions):
    assert summary_of(tmp_path, predictions).decodes == []
