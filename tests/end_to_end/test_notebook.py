"""The notebook runs from the first cell to the last, with results and without."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

sys.path.append(str(Path(__file__).parents[1] / "evaluation"))

from evaluated_runs import study
from running import ROOT, composed

from pathvlm_r1.evaluation import write_report

NOTEBOOK = ROOT / "notebooks" / "results.ipynb"
REPLICATES = 200


def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def executed(results, replicates=REPLICATES):
    """The notebook's outputs, with its parameters replaced."""
    cells = notebook()
    position = next(i for i, cell in enumerate(cells.cells) if "parameters" in cell.metadata.get("tags", []))
    given = f"results, replicates = Path({str(results)!r}), {replicates}"
    cells.cells.insert(position + 1, nbformat.v4.new_code_cell(given))
    NotebookClient(cells, timeout=300, kernel_name="python3").execute()
    return [output for cell in cells.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_the_notebook_shows_table_and_figure_and_finds_the_reported_comparisons_in_the_items(tmp_path):
    write_report(study(tmp_path, seeds=(0, 1)), tmp_path, seed=0, replicates=REPLICATES)
    outputs = executed(tmp_path / "summary.json")
    shown = [kind for output in outputs if output.output_type == "display_data" for kind in output.data]
    assert {"image/png", "text/markdown"} <= set(shown)
    assert printed(outputs).count(" as reported") == 6
    assert "NOT" not in printed(outputs)


def test_without_results_the_notebook_says_what_to_run_and_which_file_that_writes(tmp_path):
    expected = (
        f"not there: {tmp_path / 'results.json'}, {tmp_path / 'items.csv'}. Run `make demo`, then set `results = own`"
    )
    assert expected in printed(executed(tmp_path / "results.json"))


def test_the_files_that_the_notebook_names_are_those_of_the_demo_and_of_the_recorded_study():
    first = next(cell for cell in notebook().cells if cell.cell_type == "code")
    named = {}
    exec(first.source, named)  # noqa: S102  our own cell: paths and two numbers
    output = Path(composed("train", "experiment=demo").output)
    assert named["own"] == ROOT / output / "summary.json", "where src/report.py writes without out="
    assert named["recorded"] == named["results"] == ROOT / "experiments" / "demo" / "results.json"


def test_the_notebook_is_short_asks_its_question_first_and_keeps_no_outputs():
    cells = notebook().cells
    assert len(cells) <= 20
    assert cells[0].cell_type == "markdown"
    assert "?" in cells[0].source.splitlines()[0]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")
