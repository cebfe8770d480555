import errno
import os
import resource
import signal

import pytest
import torch
from safetensors.torch import save_file

from pathvlm_r1.tracking import TrackingError, append_text, file_hash, write_atomically, write_json
from pathvlm_r1.tracking.files import disk_faults_explained


@pytest.fixture
def size_limit():
    """A real write that fails for want of room, without filling a disk: files end at 100 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def failing(number):
    def write(partial):
        partial.write_text("half")
        raise OSError(number, os.strerror(number))

    return write


def test_a_written_file_has_its_contents_and_nothing_lies_beside_it(tmp_path):
    write_json(tmp_path / "deep" / "value.json", {"b": 1, "a": [0.5, None, "Ödem"]})
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["value.json"]
    assert (tmp_path / "deep" / "value.json").read_text() == (
        '{\n  "a": [\n    0.5,\n    null,\n    "Ödem"\n  ],\n  "b": 1\n}\n'
    )


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda number: events.append("fsync") or fsync(number))
    monkeypatch.setattr(type(tmp_path), "replace", lambda old, new: events.append("rename") or replace(old, new))
    write_json(tmp_path / "value.json", 1)
    assert events == ["fsync", "rename", "fsync"]


def test_a_full_disk_keeps_the_older_file_and_says_which_how_much_room_and_what_to_do(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, "older")
    with pytest.raises(TrackingError) as raised:
        write_atomically(path, failing(errno.ENOSPC))
    message = str(raised.value)
    for part in (str(path), "No space left", "MiB is free", "the older value.json is unchanged", "output=", "resume="):
        assert part in message
    assert path.read_text() == '"older"\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_that_refuses_writing_is_named_with_the_way_out(tmp_path):
    path = tmp_path / "value.json"
    with pytest.raises(TrackingError, match=r"value.json: no permission .* no value.json was left behind. Set output="):
        write_atomically(path, failing(errno.EACCES))
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_is_not_the_disks_passes_and_leaves_nothing(tmp_path):
    def write(partial):
        partial.write_text("half")
        raise ValueError("not the disk's")

    with pytest.raises(ValueError, match="not the disk's"):
        write_atomically(tmp_path / "value.json", write)
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_json_has_no_word_for_is_refused_before_the_file_is_touched(tmp_path):
    write_json(tmp_path / "value.json", 1)
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "value.json", float("nan"))
    assert (tmp_path / "value.json").read_text() == "1\n"


@pytest.mark.usefixtures("size_limit")
def test_want_of_room_is_recognised_through_the_exceptions_of_torch_and_safetensors(tmp_path):
    weights = {"weight": torch.zeros(100_000)}
    with pytest.raises(TrackingError, match="no room"), disk_faults_explained(tmp_path / "a", "nothing was left"):
        save_file(weights, tmp_path / "a")
    with (
        pytest.raises(TrackingError, match="no room"),
        disk_faults_explained(tmp_path / "b", "nothing was left"),
        (tmp_path / "b").open("wb") as file,
    ):
        torch.save(weights, file)


def test_a_files_hash_is_sha256_of_its_contents(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    assert file_hash(empty) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of no bytes


@pytest.mark.usefixtures("size_limit")
def test_lines_are_added_to_what_is_there_and_a_disk_without_room_is_explained(tmp_path):
    path = tmp_path / "log.jsonl"
    for text in ("first\n", "Ödem\n"):
        append_text(path, text)
    assert path.read_text(encoding="utf-8") == "first\nÖdem\n"
    with pytest.raises(TrackingError, match=r"log\.jsonl: no room .*; the run can go on from its last checkpoint"):
        append_text(path, "x" * 200_000)
