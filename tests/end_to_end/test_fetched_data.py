"""`src/data.py task=fetch` as users meet it: a folder that is whole or not there, from an archive or the hub."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from drawn_sets import write_pathmmu
from fake_hub import COMMIT, HUB_ID, FakeHub, fake_hub
from filelock import FileLock
from running import command, entry


def zipped(root: Path, folders: list[str]) -> bytes:
    """These folders of a root as the bytes of a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(path for folder in folders for path in (root / folder).rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(root).as_posix())
    return buffer.getvalue()


@pytest.fixture
def pathmmu(tmp_path):
    return write_pathmmu(tmp_path / "drawn", questions=2)


def fetch(tmp_path, *typed):
    return entry("data", "task=fetch", f"out={tmp_path / 'PathMMU'}", *typed)


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_archive_becomes_a_folder_that_is_read_and_the_second_time_is_there(tmp_path, pathmmu):
    archive = tmp_path / "PathMMU.zip"
    archive.write_bytes(zipped(pathmmu, ["data"]))
    outcome = fetch(tmp_path, f"source={archive}")
    assert outcome.status == 0, outcome.text
    assert "all of it stands in one folder" in outcome.stdout
    assert names(tmp_path / "PathMMU") == names(pathmmu) | {".fetched.json"}
    verified = entry("data", "task=verify", "dataset=pathmmu", f"dataset.root={tmp_path / 'PathMMU'}", "policy=drop")
    assert "pathmmu: 30 records" in verified.stdout, verified.text
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "PathMMU").rglob("*")}
    again = fetch(tmp_path, f"source={archive}")
    assert again.status == 0
    assert "is there already" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "PathMMU").rglob("*")} == before
    assert {path.name for path in tmp_path.iterdir()} == {"PathMMU", "PathMMU.zip", "drawn"}


def test_an_archive_within_the_archive_is_unpacked_into_its_place(tmp_path, pathmmu):
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(pathmmu / "data" / "data.json", "data/data.json")
        archive.writestr("images.zip", zipped(pathmmu / "data" / "images", ["."]))
    outcome = fetch(tmp_path, f"source={tmp_path / 'outer.zip'}", "archives={images.zip: data/images}")
    assert outcome.status == 0, outcome.text
    assert names(tmp_path / "PathMMU") == names(pathmmu) | {".fetched.json"}
    wrong = entry(
        "data", "task=fetch", f"out={tmp_path / 'b'}", f"source={tmp_path / 'outer.zip'}", "archives={a.zip: b}"
    )
    assert "archives: a.zip is not in the dataset; it has data, images.zip" in wrong.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"PathMMU", "outer.zip", "drawn"}


@pytest.mark.parametrize("harm", ["cut", "evil", "damaged"])
def test_what_cannot_be_unpacked_leaves_nothing_behind(tmp_path, pathmmu, harm):
    content = bytearray(zipped(pathmmu, ["data"]))
    if harm == "cut":
        del content[-4000:]
    elif harm == "damaged":
        content[len(content) // 3] ^= 1
    (tmp_path / "set.zip").write_bytes(bytes(content))
    if harm == "evil":
        with zipfile.ZipFile(tmp_path / "set.zip", "a") as archive:
            archive.writestr("../evil", b"x")
    outcome = fetch(tmp_path, f"source={tmp_path / 'set.zip'}")
    assert outcome.status == 2, outcome.text
    assert outcome.stderr.startswith("error: ")
    assert {path.name for path in tmp_path.iterdir()} == {"set.zip", "drawn"}


def test_a_folder_from_elsewhere_is_left_alone(tmp_path, pathmmu):
    (tmp_path / "a.zip").write_bytes(zipped(pathmmu, ["data"]))
    (tmp_path / "PathMMU").mkdir()
    assert "and not from task=fetch; name another folder" in fetch(tmp_path, f"source={tmp_path / 'a.zip'}").stderr
    (tmp_path / "PathMMU").rmdir()
    assert fetch(tmp_path, f"source={tmp_path / 'a.zip'}").status == 0
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("new", b"x")
    assert "is there already, from another source" in fetch(tmp_path, f"source={tmp_path / 'a.zip'}").stderr


def test_two_fetches_into_one_folder_do_not_meet(tmp_path, pathmmu):
    (tmp_path / "a.zip").write_bytes(zipped(pathmmu, ["data"]))
    with FileLock(tmp_path / ".PathMMU.fetching.lock"):
        outcome = fetch(tmp_path, f"source={tmp_path / 'a.zip'}")
    assert outcome.status == 2
    assert "another command fetches into it now" in outcome.stderr


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("source=none.zip",), "source=none.zip: no such file, and no hub id"),
        (("source=owner/name",), "revision=null: the commit of owner/name, 40 characters"),
        (("source=owner/name", "revision=main"), "revision=main: the commit of owner/name"),
        (("source=.",), "source=.: is no file; a folder needs no fetching"),
        (("source=.", f"revision={COMMIT}"), "null: the source is a file that is here"),
        (("source=.", "archives={a.zip: ../b}"), "archives.a.zip=../b: names below out"),
        (("source=.", "max_gib=0"), "max_gib=0.0: above 0"),
        (("source=.", "dataset=bccd"), "dataset: task=fetch does not read it"),
    ],
)
def test_what_cannot_be_asked_of_a_fetch_is_refused(tmp_path, typed, message):
    outcome = fetch(tmp_path, *typed)
    assert outcome.status == 2
    assert message in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def from_hub(monkeypatch, hub, tmp_path, *typed, token=None):
    """The command of its own: the hub's library reads where the hub is when it is imported."""
    for name, value in {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": token or ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # which tests run under
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    return command(
        "data", "task=fetch", f"source={HUB_ID}", f"revision={COMMIT}", "out=PathMMU", *typed, cwd=tmp_path
    )  # fmt: skip


FILES = {"data/data.json": b"{}", "images.zip": b"", "notes/long.bin": os.urandom(300_000), "README.md": b"x"}


@pytest.mark.slow
def test_the_hub_gives_one_commit_and_a_download_that_broke_off_goes_on(tmp_path, monkeypatch, pathmmu):
    images = zipped(pathmmu / "data" / "images", ["."])
    with fake_hub(FakeHub(FILES | {"images.zip": images}, broken={"notes/long.bin"})) as hub:
        first = from_hub(monkeypatch, hub, tmp_path, "archives={images.zip: data/images}")
        if first.status != 0:  # its library may try again by itself
            assert "give the command again to go on with it" in first.stderr
            assert not (tmp_path / "PathMMU").exists()
            first = from_hub(monkeypatch, hub, tmp_path, "archives={images.zip: data/images}")
        assert first.status == 0, first.text
        asked = [path.partition(f"{COMMIT}/")[2] for method, path, _ in hub.asked if method == "GET"]
        assert asked.count("README.md") == 1, "what had come was not fetched again"
        count = len(hub.asked)
        assert "is there already" in from_hub(monkeypatch, hub, tmp_path, "archives={images.zip: data/images}").stdout
        assert len(hub.asked) == count, "the hub was not asked"
    expected = {"data/data.json", "notes/long.bin", "README.md", ".fetched.json"}
    expected |= {f"data/images/{name}" for name in names(pathmmu / "data" / "images")}
    assert names(tmp_path / "PathMMU") == expected
    assert (tmp_path / "PathMMU" / "notes" / "long.bin").read_bytes() == FILES["notes/long.bin"]
    record = json.loads((tmp_path / "PathMMU" / ".fetched.json").read_text())
    assert record["source"]["revision"] == COMMIT


@pytest.mark.slow
def test_gated_data_is_explained_and_the_token_comes_from_the_environment_alone(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text("hf_right")  # which another program left there
    with fake_hub(FakeHub(FILES, token="hf_right")) as hub:  # noqa: S106  of the stand-in
        outcome = from_hub(monkeypatch, hub, tmp_path)
        assert outcome.status == 2
        assert f"source={HUB_ID}: is gated; accept its conditions at https://" in outcome.stderr
        assert "HF_TOKEN" in outcome.stderr
        assert outcome.stderr.count("\n") == 1
        patterns = "files=[data/*, README.md]"
        assert from_hub(monkeypatch, hub, tmp_path, patterns, token="hf_right").status == 0  # noqa: S106
    assert names(tmp_path / "PathMMU") == {"data/data.json", "README.md", ".fetched.json"}
    assert "hf_right" not in (tmp_path / "PathMMU" / ".fetched.json").read_text()
