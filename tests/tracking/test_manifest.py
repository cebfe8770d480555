import json
import subprocess
from dataclasses import replace

import pytest
from pytorch_lightning.utilities.exceptions import SIGTERMException

import pathvlm_r1
from pathvlm_r1.tracking import (
    DataRecord,
    ParentRecord,
    RunFolder,
    TrackingError,
    content_hash,
    create_run_folder,
    environment,
    find_finished,
    manifests_below,
    new_manifest,
    read_manifest,
    run_record,
)

CONFIG = {"stage": {"name": "sft", "learning_rate": 1e-3, "seed": 0}, "model": {"name": "nano"}}


def manifest_of(config=None):
    config = CONFIG if config is None else config
    return new_manifest(
        name="sft-phantom", arm="sft", stage="sft", config=config, content_hash=content_hash(config),
        data=DataRecord(name="phantom", hash="d" * 64), parent=ParentRecord(id="Qwen/Qwen2.5-VL-3B-Instruct"),
        seeds={"seed": 0},
    )  # fmt: skip


def finished_run(output, config=None, *, started_at=None, is_exported=True):
    manifest = manifest_of(config)
    folder = create_run_folder(output, "sft")
    with run_record(folder, manifest if started_at is None else replace(manifest, started_at=started_at)):
        if is_exported:
            folder.export.mkdir()
    return folder


def test_the_manifest_says_started_while_the_run_lasts_and_finished_after_it(tmp_path):
    folder = RunFolder(tmp_path)
    with run_record(folder, manifest_of()) as record:
        assert read_manifest(tmp_path).status == "started"
        record.measured["optimiser_steps"] = 3
    manifest = read_manifest(tmp_path)
    assert manifest.status == "finished"
    assert manifest.seconds >= 0
    assert manifest.started_at <= manifest.finished_at
    assert manifest.measured == {"optimiser_steps": 3}
    assert manifest.error is None


def test_the_file_has_these_keys(tmp_path):
    with run_record(RunFolder(tmp_path), manifest_of()):
        pass
    row = json.loads((tmp_path / "manifest.json").read_text())
    assert set(row) == {
        "status", "name", "arm", "stage", "started_at", "finished_at", "seconds", "config", "content_hash", "git",
        "package_version", "packages", "data", "parent", "seeds", "error", "measured",
    }  # fmt: skip
    assert row["parent"] == {"id": "Qwen/Qwen2.5-VL-3B-Instruct"}
    assert row["data"] == {"name": "phantom", "hash": "d" * 64}
    assert row["config"] == CONFIG
    assert row["package_version"] == pathvlm_r1.__version__
    assert {"torch", "transformers", "peft", "pytorch-lightning"} <= set(row["packages"])


def test_a_failure_is_recorded_on_one_line_and_raised_again(tmp_path):
    with pytest.raises(ValueError, match="rewards"), run_record(RunFolder(tmp_path), manifest_of()):
        raise ValueError("rewards are not finite\nand more lines")
    manifest = read_manifest(tmp_path)
    assert (manifest.status, manifest.error) == ("failed", "ValueError: rewards are not finite")


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, SIGTERMException])
def test_an_interrupt_is_no_failure(tmp_path, stopped):
    with pytest.raises(stopped), run_record(RunFolder(tmp_path), manifest_of()):
        raise stopped
    assert (read_manifest(tmp_path).status, read_manifest(tmp_path).error) == ("interrupted", None)


def test_lightnings_exit_after_a_keyboard_interrupt_is_an_interrupt(tmp_path):
    def fit():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemExit(1)  # noqa: B904  as Lightning does

    with pytest.raises(SystemExit), run_record(RunFolder(tmp_path), manifest_of()):
        fit()
    assert read_manifest(tmp_path).status == "interrupted"


def test_a_run_that_stopped_early_without_an_exception_is_not_finished(tmp_path):
    with run_record(RunFolder(tmp_path), manifest_of()) as record:
        record.is_interrupted = True
    assert read_manifest(tmp_path).status == "interrupted"


def test_a_run_that_goes_on_adds_to_its_seconds_and_keeps_what_was_measured(tmp_path):
    folder = RunFolder(tmp_path)
    with run_record(folder, replace(manifest_of(), seconds=100.0, measured={"rollouts": 5})) as record:
        record.measured["steps"] = 7
    assert read_manifest(tmp_path).seconds >= 100
    assert read_manifest(tmp_path).measured == {"rollouts": 5, "steps": 7}


def test_the_runs_own_error_survives_a_manifest_that_cannot_be_written(tmp_path, monkeypatch, caplog):
    folder = create_run_folder(tmp_path, "sft")

    def refuse(path, _):
        raise TrackingError(f"{path}: no room for it")

    def fail_on_a_full_disk():
        monkeypatch.setattr("pathvlm_r1.tracking.manifest.write_json", refuse)
        raise ValueError("the run's own")

    with pytest.raises(ValueError, match="the run's own"), run_record(folder, manifest_of()):
        fail_on_a_full_disk()
    assert "no room for it" in caplog.text


def test_the_content_hash_ignores_the_order_of_keys_and_nothing_else():
    reordered = {"model": {"name": "nano"}, "stage": {"seed": 0, "learning_rate": 1e-3, "name": "sft"}}
    assert content_hash(reordered) == content_hash(CONFIG)
    for changed in (False, None, "0", 0.0):  # 0 is a seed, and none of these is it
        assert content_hash({**CONFIG, "stage": {**CONFIG["stage"], "seed": changed}}) != content_hash(CONFIG)


def test_the_finished_run_with_exactly_the_hash_is_found_and_of_several_the_earliest(tmp_path):
    later = finished_run(tmp_path / "sweeps" / "a", started_at="2026-02-02T00:00:00.000000+00:00")
    earlier = finished_run(tmp_path, started_at="2026-01-01T00:00:00.000000+00:00")
    finished_run(tmp_path, {**CONFIG, "seed": 1}, started_at="2025-01-01T00:00:00.000000+00:00")
    assert find_finished(tmp_path, content_hash(CONFIG)) == earlier
    assert find_finished(tmp_path / "sweeps", content_hash(CONFIG)) == later


def test_runs_that_are_unfinished_or_without_export_or_foreign_are_not_found(tmp_path):
    finished_run(tmp_path, is_exported=False)
    folder = create_run_folder(tmp_path, "sft")
    folder.export.mkdir()
    with pytest.raises(ValueError, match="failed"), run_record(folder, manifest_of()):
        raise ValueError("failed")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text('{"status": "finished"}')
    assert find_finished(tmp_path, content_hash(CONFIG)) is None
    assert find_finished(tmp_path / "absent", content_hash(CONFIG)) is None


@pytest.mark.parametrize("text", ["", "[]", '{"status": ', '{"status": "finished"}'])
def test_runs_are_found_at_any_depth_and_a_file_that_is_none_of_ours_is_skipped_by_name(tmp_path, text, caplog):
    runs = [finished_run(tmp_path / "sweep" / "a"), finished_run(tmp_path)]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text(text)
    assert sorted((run.path, manifest.status) for run, manifest in manifests_below(tmp_path)) == sorted(
        (run.path, "finished") for run in runs
    )
    (warning,) = caplog.messages
    assert warning.startswith(str(tmp_path / "other" / "manifest.json"))
    assert warning.endswith("skipped")


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "not the folder of a run"), ('{"status": ', "cannot be read as JSON"), ('{"status": 1}', "it differs in")],
)
def test_a_manifest_that_is_absent_broken_or_foreign_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(TrackingError, match=rf"manifest.json .*{message}"):
        read_manifest(tmp_path)


def test_git_is_null_outside_a_repository_and_below_a_foreign_one(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "pathvlm_r1"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(environment.pathvlm_r1, "__file__", str(package / "__init__.py"))
    assert environment.git_state() is None
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)  # noqa: S603, S607
    assert environment.git_state() is None


def test_git_names_the_commit_and_whether_the_code_has_changed(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)  # noqa: S603, S607

    (tmp_path / "__init__.py").touch()
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    monkeypatch.setattr(environment.pathvlm_r1, "__file__", str(tmp_path / "__init__.py"))
    clean = environment.git_state()
    assert len(clean["commit"]) == 40
    assert clean["is_dirty"] is False
    (tmp_path / "__init__.py").write_text("changed = True\n")
    assert environment.git_state() == {**clean, "is_dirty": True}


def test_a_machine_without_git_is_no_error(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert environment.git_state() is None
