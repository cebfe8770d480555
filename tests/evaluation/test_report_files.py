"""The four files of a report, and what the terminal shows."""

import io
import json

import pytest
from evaluated_runs import add_predictions, answered, evaluated_run, study
from PIL import Image

from pathvlm_r1.evaluation import figure_png, markdown, read_items, read_summary, write_report
from pathvlm_r1.evaluation.collecting import collect
from pathvlm_r1.evaluation.summary import summarise

pytestmark = pytest.mark.medium
REPLICATES = 200


def report(runs, **changes):
    return write_report(runs, runs, **{"seed": 0, "replicates": REPLICATES, **changes})


def tables_in(text):
    return [block for block in text.split("\n\n") if block.startswith("|")]


def test_four_files_are_written_and_the_same_again(tmp_path):
    study(tmp_path)
    report(tmp_path)
    names = ["summary.json", "items.csv", "report.md", "report.png"]
    first = {name: (tmp_path / name).read_bytes() for name in names}
    report(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names} == first


def test_the_text_has_a_row_per_arm_and_seed_and_the_mean_of_seeds(tmp_path):
    text = markdown(report(study(tmp_path)))
    arms = tables_in(text)[0].splitlines()
    assert arms[0] == "| arm | seed | phantom | phantom_ct | format | process | tokens | cap hits |"
    starts = [line.split(" |")[0:2] for line in arms[2:]]
    expected = [["| base", " 0"]]
    for arm in ("sft", "sft_continued", "grpo"):
        expected += [[f"| {arm}", f" {seed}"] for seed in range(3)] + [[f"| **{arm}**", " mean of 3"]]
    assert starts == expected
    assert "medical claim" in text
    assert len({line.count("|") for line in arms}) == 1


def test_accuracy_by_question_type_stands_with_its_interval(tmp_path):
    summary = report(study(tmp_path, seeds=(0, 1)))
    header, _, *rows = tables_in(markdown(summary))[1].splitlines()
    assert header == "| question type | base | sft | sft_continued | grpo |"
    first = next(row for row in summary.types if (row.stage, row.question_type) == ("base", "diagnosis"))
    assert rows[0].startswith(f"| diagnosis | {first.accuracy:.3f} [{first.ci_low:.3f}, {first.ci_high:.3f}] |")
    assert [row.count("[") for row in rows] == [4, 4, 4]


def test_comparisons_are_in_words_and_numbers(tmp_path):
    summary = report(study(tmp_path))
    lines = [line for line in markdown(summary).splitlines() if line.startswith("- **")]
    assert len(lines) == len(summary.comparisons) == 12
    first = summary.comparisons[0]
    assert lines[0].startswith("- **grpo against sft**, phantom, accuracy: grpo is ")
    assert f"{first.difference:+.3f} [{first.ci_low:+.3f}, {first.ci_high:+.3f}], p " in lines[0]
    assert "by seed 0: " in lines[0]
    higher = next(line for line in lines if line.startswith("- **sft against base**, phantom, accuracy"))
    assert "sft is higher" in higher


def test_sections_without_content_are_left_out(tmp_path):
    evaluated_run(tmp_path, "sft")
    text = markdown(report(tmp_path))
    for title in ("Comparisons", "Controls", "Sampled", "Notes", "By option log-probability"):
        assert f"## {title}" not in text
    assert "## By question type" in text


def test_controls_samples_letters_and_notes_have_their_sections(tmp_path):
    evaluated_run(tmp_path, "base")
    evaluated_run(tmp_path, "sft")
    run = evaluated_run(tmp_path, "sft")
    add_predictions(run, {"phantom.test.greedy.shuffled": answered("sft", 0, control="shuffled")})
    add_predictions(run, {"phantom.test.sampled": answered("sft", 0) * 2})
    text = markdown(report(tmp_path))
    for title in ("Comparisons", "Controls", "Sampled", "Notes", "By option log-probability"):
        assert f"## {title}" in text
    assert "| sft | 0 | phantom | greedy | shuffled |" in text


def test_a_dataset_that_an_arm_did_not_answer_is_a_dash(tmp_path):
    evaluated_run(tmp_path, "base", files={"phantom_ct.test.greedy": answered("base", 0, "phantom_ct")})
    evaluated_run(tmp_path, "sft", files={"phantom.validation.greedy": answered("sft", 0)})
    rows = tables_in(markdown(report(tmp_path)))[0].splitlines()
    assert rows[0].startswith("| arm | seed | phantom (validation) | phantom_ct |")
    assert rows[2].startswith("| base | 0 | - | 0.")
    assert rows[2].endswith("| - | - | - | - |")
    assert read_items(tmp_path / "items.csv") == []  # no test in domain


def test_the_figure_is_a_picture_whatever_is_missing(tmp_path):
    evaluated_run(tmp_path, "base", files={"phantom.test.greedy": answered("base", 0, process=None)})
    evaluated_run(tmp_path, "an_arm_of_its_own")
    summary = summarise(collect(tmp_path), seed=0, replicates=REPLICATES)
    with Image.open(io.BytesIO(figure_png(summary))) as picture:
        assert picture.width > picture.height > 600
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 10


def test_the_terminal_shows_a_row_per_arm_and_where_the_files_are(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    report(study(tmp_path))
    shown = capsys.readouterr().out
    first_words = [line.split()[0] for line in shown.splitlines() if line.strip()]
    arms = [word for word in first_words if word in ("base", "sft", "continued", "grpo")]
    assert arms == ["base", "sft", "sft", "continued", "grpo"]
    assert "…" not in shown
    assert f"{tmp_path}: summary.json, items.csv, report.md, report.png" in shown


def test_out_is_made_and_its_summary_says_the_same(tmp_path):
    study(tmp_path / "runs", seeds=(0,))
    summary = write_report(tmp_path / "runs", tmp_path / "new" / "out", seed=0, replicates=REPLICATES)
    written = json.loads((tmp_path / "new" / "out" / "summary.json").read_text())
    assert written == json.loads(json.dumps(summary.as_json()))
    assert read_summary(tmp_path / "new" / "out" / "summary.json").in_domain == "phantom"


def test_the_bootstraps_seed_moves_intervals_and_no_estimate(tmp_path):
    study(tmp_path, seeds=(0,))
    first, other = report(tmp_path), report(tmp_path, seed=1)
    assert [row.accuracy for row in first.rows] == [row.accuracy for row in other.rows]
    assert [c.difference for c in first.comparisons] == [c.difference for c in other.comparisons]
    assert [c.ci_low for c in first.comparisons] != [c.ci_low for c in other.comparisons]
