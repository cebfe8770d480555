"""Pictures that records name: found below the root, mapped from elsewhere, or refused without a hang."""

import os

import pytest

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.records import ImageFolder, RecordFault


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    for name in ("a.jpg", "d/with space [1].jpg", "d/B.JPG"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    (tmp_path / "outside.jpg").write_bytes(b"x")
    return folder


def kind_of(folder, name):
    with pytest.raises(RecordFault) as caught:
        folder.find(name)
    return caught.value.kind, caught.value.action, str(caught.value)


def test_names_are_relative_to_the_root_and_may_have_spaces_and_brackets(root):
    assert ImageFolder(root).find("d/with space [1].jpg").path == root / "d/with space [1].jpg"
    assert ImageFolder(root).find(str(root / "a.jpg")).path == root / "a.jpg"


def test_the_longest_mapped_beginning_counts_and_may_lead_anywhere(root, tmp_path):
    folder = ImageFolder(root, {"/data/img/": "", "/data/img/deep": "d", "old": str(tmp_path)})
    assert folder.find("/data/img/a.jpg").path == root / "a.jpg"
    assert folder.find("/data/img/deep/B.JPG").path == root / "d/B.JPG"
    assert folder.find("old/outside.jpg").path == tmp_path / "outside.jpg"
    kept = ImageFolder(root, {str(tmp_path): str(tmp_path)})  # a place of its own, left as it is
    assert kept.find(str(tmp_path / "outside.jpg")).path == tmp_path / "outside.jpg"


@pytest.mark.parametrize(
    ("name", "kind", "action", "message"),
    [
        ("none.jpg", DefectKind.IMAGE_MISSING, "skip", "is missing"),
        ("d/b.jpg", DefectKind.IMAGE_NAME_CASE, "skip", "there is B.JPG"),
        ("d", DefectKind.IMAGE_NOT_A_FILE, "error", "is a folder"),
        ("/data/img/a.jpg", DefectKind.IMAGE_PATH, "error", "'dataset.path_map={/data/img: FOLDER}'"),
        ("../outside.jpg", DefectKind.IMAGE_PATH, "error", "leads out of"),
        ("https://example.org/a.jpg", DefectKind.IMAGE_PATH, "error", "is an address"),
        ("a\0.jpg", DefectKind.IMAGE_PATH, "error", "is an address"),
        (None, DefectKind.MALFORMED_RECORD, "error", "the image is None"),
        (" ", DefectKind.MALFORMED_RECORD, "error", "a path is needed"),
    ],
)
def test_what_is_no_picture_here_is_refused_with_the_reason(root, name, kind, action, message):
    found = kind_of(ImageFolder(root), name)
    assert found[:2] == (kind, action)
    assert message in found[2]


def test_pipes_and_links_are_never_waited_for_or_followed_out_of_the_root(root, tmp_path):
    os.mkfifo(root / "pipe.jpg")
    (root / "nothing.jpg").symlink_to("gone.jpg")
    (root / "self.jpg").symlink_to("self.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "outside.jpg")
    (root / "in.jpg").symlink_to("a.jpg")
    reasons = {"pipe": "a pipe", "nothing": "a link to nothing", "self": "link", "out": "out of"}
    for name, reason in reasons.items():
        found = kind_of(ImageFolder(root), f"{name}.jpg")
        assert found[:2] == (DefectKind.IMAGE_NOT_A_FILE, "error")
        assert reason in found[2]
    assert ImageFolder(root).find("in.jpg").path == root / "in.jpg"
