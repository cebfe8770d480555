import json
import os
from pathlib import Path

import pytest
import wandb
from PIL import Image
from tiny_training import LIGHTNING_WARNINGS, CountingModule, measured_at, read_metrics, trainer_with

from pathvlm_r1.tracking import CompletionRow, build_logger, log_completion_table, summarised

pytestmark = LIGHTNING_WARNINGS

ROWS = [
    CompletionRow(
        question="Which finding is seen?", picture=Image.new("RGB", (8, 8)), completion="<answer>B</answer>",
        rewards={"accuracy": 1.0, "process": None}, events=["unsupported_step: necrosis"],
    ),
    CompletionRow(
        question="Without a picture?", picture=None, completion="", rewards={"accuracy": 0.0, "format": 0.0}, events=[]
    ),
]  # fmt: skip


@pytest.fixture
def netrc_file(monkeypatch, tmp_path):
    """Where wandb looks for a login, empty, with no word of it in the environment."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "netrc").touch(mode=0o600)
    return tmp_path / "netrc"


def train(folder, steps, checkpoint=None):
    logger = build_logger("csv", folder)
    trainer = trainer_with(folder, max_steps=steps, logger=logger)
    module = CountingModule(batches=20)
    module.extra = {} if checkpoint is None else {"tiny/extra": 1.0}
    trainer.fit(module, ckpt_path=checkpoint)
    return trainer


def test_csv_metrics_lie_right_in_the_run_folder_beside_what_is_there(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    train(tmp_path, 4)
    assert [row["step"] for row in read_metrics(tmp_path)] == ["0", "1", "2", "3"]
    assert float(read_metrics(tmp_path)[0]["tiny/loss"]) == 1.0  # of weights at zero
    assert (tmp_path / "manifest.json").exists()


def test_a_resumed_run_goes_on_in_the_same_csv_also_with_new_columns(tmp_path):
    train(tmp_path, 3).save_checkpoint(tmp_path / "last.ckpt")
    train(tmp_path, 5, tmp_path / "last.ckpt")
    rows = read_metrics(tmp_path)
    assert [row["step"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["tiny/extra"] for row in rows] == ["", "", "", "1.0", "1.0"]


def test_what_a_killed_process_wrote_behind_the_checkpoint_is_not_there_twice(tmp_path):
    train(tmp_path, 3).save_checkpoint(tmp_path / "last.ckpt")
    train(tmp_path, 6, tmp_path / "last.ckpt")
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text() + "0.5,7.")  # the kill came in the middle of a row
    train(tmp_path, 5, tmp_path / "last.ckpt")
    assert [row["step"] for row in read_metrics(tmp_path)] == ["0", "1", "2", "3", "4"]
    assert [row["tiny/extra"] for row in read_metrics(tmp_path)] == ["", "", "", "1.0", "1.0"]


def test_csv_completions_that_are_sampled_again_after_a_kill_take_the_place_of_the_former(tmp_path):
    path = tmp_path / "samples.jsonl"
    for step in (50, 100, 150):
        log_completion_table(build_logger("csv", tmp_path), ROWS, step)
    whole = path.read_text()
    path.write_text(whole + '{"step": 200, "compl')
    log_completion_table(build_logger("csv", tmp_path), ROWS, 100)
    assert path.read_text() == "".join(whole.splitlines(keepends=True)[: 2 * len(ROWS)])


def test_csv_completions_are_lines_without_pictures(tmp_path):
    logger = build_logger("csv", tmp_path)
    log_completion_table(logger, ROWS, 50)
    log_completion_table(logger, ROWS[:1], 100)
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [50, 50, 100]
    assert lines[0] == {
        "step": 50, "question": "Which finding is seen?", "completion": "<answer>B</answer>",
        "rewards": {"accuracy": 1.0, "process": None}, "events": ["unsupported_step: necrosis"],
    }  # fmt: skip


def test_without_a_logger_nothing_is_written(tmp_path):
    logger = build_logger("none", tmp_path)
    assert logger is False
    for absent in (False, None):
        log_completion_table(absent, ROWS, 1)
        with summarised(absent, {"accuracy": 1.0}):
            pass
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_logger_is_refused_with_the_key(tmp_path):
    with pytest.raises(ValueError, match=r"logger\.name=tensorboard: one of wandb, csv, none"):
        build_logger("tensorboard", tmp_path)


@pytest.mark.parametrize(
    ("variables", "login", "mode"),
    [
        ({}, "", "offline"),
        ({"WANDB_API_KEY": "k" * 40}, "", "online"),
        ({}, "machine api.wandb.ai login user password " + "k" * 40, "online"),
        ({}, "machine example.org login user password " + "k" * 40, "offline"),
        ({"WANDB_MODE": "disabled", "WANDB_API_KEY": "k" * 40}, "", None),  # the user's word; wandb reads it
    ],
)
def test_wandb_is_offline_unless_somebody_is_logged_in(netrc_file, monkeypatch, variables, login, mode):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    netrc_file.write_text(login)
    before = dict(os.environ)
    logger = build_logger("wandb", netrc_file.parent, project="p")
    assert logger._wandb_init["mode"] == mode
    assert dict(os.environ) == before


def offline_logger(folder, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder.mkdir()
    return build_logger("wandb", folder, project="pathvlm-r1", group="phantom", job_type="sft", run_name="sft-phantom")


@pytest.mark.medium
@pytest.mark.usefixtures("netrc_file")
def test_an_offline_wandb_run_lies_in_the_run_folder_with_its_completions_and_says_nothing(
    tmp_path, monkeypatch, capfd
):
    folder = tmp_path / "20260101-000000-sft"
    logger = offline_logger(folder, monkeypatch)
    trainer_with(folder, max_steps=2, logger=logger).fit(CountingModule(batches=2))
    run = logger.experiment
    assert (run.id, run.name, run.group, run.job_type) == (folder.name, "sft-phantom", "phantom", "sft")
    log_completion_table(logger, ROWS, 2)
    with summarised(logger, {}):
        pass
    (stored,) = (folder / "wandb").glob("offline-run-*")
    assert list(stored.glob("run-*.wandb"))
    (table,) = (stored / "files" / "media" / "table" / "samples").glob("completions*.json")
    assert json.loads(table.read_text())["columns"] == [
        "question", "picture", "completion", "reward/accuracy", "reward/process", "reward/format", "events",
    ]  # fmt: skip
    staged = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert sum(contents.startswith(b"\x89PNG") for contents in staged) == 1  # the table's picture, until it is synced
    assert "wandb" not in capfd.readouterr().err


@pytest.mark.medium
@pytest.mark.usefixtures("netrc_file")
def test_wandb_writes_below_the_run_folder_also_where_its_service_was_started_elsewhere(tmp_path, monkeypatch):
    for name in ("first", "second"):  # the service is started in the first one
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        logger = offline_logger(Path("run"), monkeypatch)
        with summarised(logger, {}):
            logger.log_metrics({"loss": 1.0})
    assert len(list(tmp_path.rglob("*.wandb"))) == 2
    assert list((tmp_path / "second" / "run").rglob("*.wandb"))


@pytest.mark.medium
@pytest.mark.usefixtures("netrc_file")
def test_wandb_gets_a_metric_at_the_step_at_which_it_was_measured_alone(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(wandb.Run, "log", lambda _, metrics: logged.append(metrics.get("tiny/extra")))
    logger = offline_logger(tmp_path / "run", monkeypatch)
    trainer_with(tmp_path, max_steps=6, logger=logger).fit(measured_at(1, 4))
    with summarised(logger, {}):
        pass
    assert logged == [None, 1, None, None, 4, None]


@pytest.mark.medium
@pytest.mark.usefixtures("netrc_file")
def test_the_summary_ends_its_wandb_run_so_that_a_child_gets_one_of_its_own(tmp_path, monkeypatch):
    summaries = []
    finish = wandb.Run.finish

    def finish_and_note(run, exit_code):
        summaries.append((dict(run.summary), exit_code))
        finish(run, exit_code=exit_code)

    monkeypatch.setattr(wandb.Run, "finish", finish_and_note)
    parent, child = (offline_logger(tmp_path / name, monkeypatch) for name in ("parent", "child"))
    assert parent.experiment.id == "parent"
    with summarised(parent, measured := {}):
        measured |= {"evaluation/phantom/accuracy": 0.5, "validation": [{"step": 1.0}]}
    summary, exit_code = summaries.pop()
    assert summary["evaluation/phantom/accuracy"] == 0.5
    assert "validation" not in summary
    assert exit_code == 0
    assert child.experiment.id == "child"
    with pytest.raises(ZeroDivisionError), summarised(child, {"loss": 2.0}):
        _ = 1 / 0
    summary, exit_code = summaries.pop()
    assert summary["loss"] == 2.0
    assert exit_code == 1
