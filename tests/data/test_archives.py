"""Archives are unpacked whole, or refused before a file is written: nothing gets out of the folder."""

import io
import os
import stat
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pathvlm_r1.data.archives import HARMLESS_BYTES, Limits, is_archive, unpack
from pathvlm_r1.data.errors import DatasetError

LIMITS = Limits(max_bytes=2**28, max_ratio=100)
FILES = {"data/data.json": b"{}", "data/images/a b (1).jpg": os.urandom(3000), "README": b"", "x/y/z.txt": "é".encode()}
KINDS = ("zip", "tar", "tar.gz")


def shown(entries, total):
    assert total > 0
    return entries


def pack(path, files, kind):
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("data")
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
            folder = tarfile.TarInfo("./data")
            folder.type = tarfile.DIRTYPE
            archive.addfile(folder)
            for name, content in files.items():
                add(archive, name, content)
    return path


def add(archive, name, content=b"", **changes):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(content))


def found(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_packed_is_unpacked(tmp_path, kind):
    archive = pack(tmp_path / "set.bin", FILES, kind)
    assert is_archive(archive)
    assert unpack(archive, tmp_path / "out", LIMITS, shown) == len(FILES)
    assert found(tmp_path / "out") == FILES


def refused(archive, tmp_path, limits=LIMITS):
    """With which words an archive is refused; nothing is written anywhere."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DatasetError) as caught:
        unpack(archive, tmp_path / "in" / "out", limits, shown)
    assert sorted(tmp_path.rglob("*")) == before
    return str(caught.value)


NAMES = {
    "../evil": "leads out of the folder", "a/../../evil": "leads out of the folder", "/etc/evil": "is an absolute path",
    "C:/evil": "is an absolute path", "c:evil": "is an absolute path", "..\\evil": "a backslash",
    "a\x1b[2J": "a control character", "n" * 256: "more than 255 bytes", "a/..": "leads out of the folder",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_that_leads_elsewhere_or_nowhere_is_refused(tmp_path, name, kind):
    archive = pack(tmp_path / "set.bin", FILES | {name: b"evil"}, kind)
    assert NAMES[name] in refused(archive, tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc"}, "is a link to /etc"),
        ({"type": tarfile.LNKTYPE, "linkname": "README"}, "is a link to README"),
        ({"type": tarfile.CHRTYPE}, "is a pipe or a device"), ({"type": tarfile.BLKTYPE}, "is a pipe or a device"),
        ({"type": tarfile.FIFOTYPE}, "is a pipe or a device"), ({"type": b"Z"}, "is a pipe or a device"),
    ],
)  # fmt: skip
def test_of_a_tar_only_files_and_folders_are_taken(tmp_path, changes, said):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        add(archive, "README", b"x")
        add(archive, "odd", **changes)
    assert f"odd: {said}" in refused(tmp_path / "set.tar", tmp_path)


@pytest.mark.parametrize(
    ("mode", "said"), [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "a pipe or"), (stat.S_IFCHR, "a pipe or")]
)
def test_of_a_zip_too(tmp_path, mode, said):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        info = zipfile.ZipInfo("odd")
        info.external_attr = (mode | 0o644) << 16
        archive.writestr(info, "/etc/passwd")
    assert said in refused(tmp_path / "set.zip", tmp_path)


def test_an_encrypted_zip_is_refused(tmp_path):
    content = pack(tmp_path / "set.zip", FILES, "zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        place = content.index(b"PK\x01\x02", archive.start_dir)
    (tmp_path / "set.zip").write_bytes(content[: place + 8] + b"\x01" + content[place + 9 :])
    assert "is encrypted" in refused(tmp_path / "set.zip", tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("twin", "said"), [("./README", "stands in it twice"), ("README/a", "is a file and a folder")])
def test_two_entries_of_one_place_are_refused(tmp_path, kind, twin, said):
    archive = pack(tmp_path / "set.bin", FILES | {twin: b"other"}, kind)
    assert said in refused(archive, tmp_path)


def test_all_that_is_wrong_is_listed_together(tmp_path):
    archive = pack(tmp_path / "set.zip", {"../a": b"", "/b": b"", "c": b""}, "zip")
    message = refused(archive, tmp_path)
    assert "2 faults" in message
    assert "../a" in message
    assert "/b" in message


@pytest.mark.medium
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_refused_by_its_ratio_and_a_large_set_by_its_size(tmp_path, kind):
    archive = pack(tmp_path / "bomb.bin", {"zeros": bytes(HARMLESS_BYTES + 1)}, kind)
    assert "more than 100 times its own size" in refused(archive, tmp_path)
    assert "more than 0.015625 GiB" in refused(archive, tmp_path, Limits(2**24, 1e9))
    harmless = pack(tmp_path / "zeros.bin", {"zeros": bytes(2**20)}, kind)
    assert unpack(harmless, tmp_path / "out", LIMITS, shown) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_was_cut_off_is_damaged_or_no_archive(tmp_path, kind):
    content = pack(tmp_path / "set.bin", FILES, kind).read_bytes()
    for share in (0.2, 0.6, 0.9):
        (tmp_path / "cut.bin").write_bytes(content[: int(share * len(content))])
        if kind == "tar" and share == 0.9:
            continue  # only the padding behind the files is cut, which tar does without
        with pytest.raises(DatasetError, match=r"truncated or damaged .*Fetch it again|neither zip nor tar"):
            unpack(tmp_path / "cut.bin", tmp_path / f"out{share}", LIMITS, shown)


@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", b"\x1f\x8bno", b"PK\x03\x04no", b"version https://git-lfs"]
)
def test_what_is_no_archive_says_so(tmp_path, content):
    (tmp_path / "set.zip").write_bytes(content)
    assert "set.zip: " in refused(tmp_path / "set.zip", tmp_path)


def test_a_flipped_byte_in_a_zip_is_found(tmp_path):
    content = bytearray(pack(tmp_path / "set.zip", FILES, "zip").read_bytes())
    content[content.index(b"a b (1).jpg") + 200] ^= 1
    (tmp_path / "set.zip").write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="truncated or damaged"):
        unpack(tmp_path / "set.zip", tmp_path / "out", LIMITS, shown)


def test_nothing_is_written_over(tmp_path):
    archive = pack(tmp_path / "set.zip", FILES, "zip")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README").write_text("mine")
    with pytest.raises(DatasetError, match="README: README is there already"):
        unpack(archive, tmp_path / "out", LIMITS, shown)
    assert (tmp_path / "out" / "README").read_text() == "mine"


PARTS = st.sampled_from(["a", "b", "..", ".", "", "~", "C:", "\\", "é", "-"])


@given(names=st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(bool), unique=True, max_size=4),
       kind=st.sampled_from(KINDS))  # fmt: skip
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_names_nothing_is_written_outside(tmp_path_factory, names, kind):
    root = tmp_path_factory.mktemp("any")
    archive = pack(root / "set.bin", dict.fromkeys(names, b"x"), kind)
    (root / "in").mkdir()
    try:
        unpack(archive, root / "in" / "out", LIMITS, shown)
    except DatasetError:
        assert not (root / "in" / "out").exists()
    assert {path for path in root.rglob("*") if root / "in" / "out" not in (path, *path.parents)} == {
        archive, root / "in",
    }  # fmt: skip
