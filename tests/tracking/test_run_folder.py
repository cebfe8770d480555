import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from pathvlm_r1.tracking import RunFolder, TrackingError, create_run_folder


def test_runs_that_start_in_the_same_second_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: create_run_folder(tmp_path / "outputs", "sft"), range(24)))
    assert len({folder.path for folder in folders}) == 24
    assert all(folder.path.is_dir() for folder in folders)


def test_a_folders_name_is_its_time_and_the_runs_name_without_odd_characters(tmp_path):
    folder = create_run_folder(tmp_path, "grpo dual/á")
    assert re.fullmatch(r"\d{8}-\d{6}-grpo-dual-", folder.path.name)
    assert folder.path.parent == tmp_path


def test_every_place_lies_in_the_runs_folder(tmp_path):
    folder = RunFolder(tmp_path)
    places = [folder.manifest, folder.last_checkpoint, folder.export, folder.metrics, folder.predictions]
    names = [*places, folder.completions_of(0), folder.completions_of(2)]
    assert [path.relative_to(tmp_path).as_posix() for path in names] == [
        "manifest.json", "checkpoints/last.ckpt", "export", "metrics.csv", "predictions",
        "completions.jsonl", "completions.2.jsonl",
    ]  # fmt: skip


def test_an_output_that_is_a_file_is_refused_with_its_name(tmp_path):
    (tmp_path / "outputs").touch()
    with pytest.raises(TrackingError, match=r"outputs: could not be written.*no run was started. Set output="):
        create_run_folder(tmp_path / "outputs", "sft")


def test_an_output_without_permission_is_refused_with_its_name(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)  # tests may run as root, whom no permission bit stops
    with pytest.raises(TrackingError, match=r"outputs: no permission to write here .*no run was started"):
        create_run_folder(tmp_path / "outputs", "sft")
