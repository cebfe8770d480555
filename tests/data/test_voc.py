"""VOC folders: what is counted, and that every fault names its file and line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from drawn_bccd import annotation, draw_bccd

from pathvlm_r1.data.errors import MAX_LISTED, DatasetError
from pathvlm_r1.data.voc import Box, BoxRegion, boxes_of, count_objects, read_folder

CLASSES = ("RBC", "WBC", "Platelets")
BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>\n'
OUTSIDE = '<!DOCTYPE a [<!ENTITY secret SYSTEM "file:///etc/hostname">]>\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.xml"


def test_objects_are_counted_by_class_and_absent_classes_are_zero(file):
    file.write_text(annotation([("RBC", 0, 0), ("Platelets", 8, 0), ("RBC", 16, 0)]))
    assert count_objects(file, CLASSES) == {"RBC": 2, "WBC": 0, "Platelets": 1}


def test_parts_of_an_object_and_other_names_do_not_count(file):
    file.write_text(
        "<annotation><owner><name>RBC</name></owner><object><name>\n WBC </name><part><name>RBC</name></part></object>"
        "</annotation>"
    )
    assert count_objects(file, CLASSES) == {"RBC": 0, "WBC": 1, "Platelets": 0}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_of_xml_are_read(file, encoding):
    file.write_text(annotation([("WBC", 0, 0)]), encoding=encoding)
    assert count_objects(file, CLASSES)["WBC"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>\n<object>\n</annotation>", r"one\.xml:3: malformed XML"),
        ("", r"one\.xml:1: malformed XML \(no element found"),
        ("version https://git-lfs.github.com/spec/v1", r"one\.xml:1: malformed XML"),
        ("<annotation>&secret;</annotation>", r"one\.xml:1: malformed XML \(undefined entity"),
        ("<annotation/>", r"one\.xml: no object with a box"),
        (annotation([("RBC", 0, 0), ("Blast", 8, 0)]), r"one\.xml:7: unknown class 'Blast'.* RBC, WBC, Platelets"),
        (annotation([("rbc", 0, 0), ("", 8, 0)]), r"one\.xml:3: unknown class 'rbc'; .*one\.xml:7: unknown class ''"),
        ("\n<annotation><object/></annotation>", r"one\.xml:2: unknown class ''"),
        (BOMB + "<a>&c;</a>", r"one\.xml:1: a DOCTYPE"),
        (OUTSIDE + "<a>&secret;</a>", r"one\.xml:1: a DOCTYPE"),
    ],
)
def test_a_faulty_annotation_is_refused_with_file_and_line(file, text, message):
    file.write_text(text)
    with pytest.raises(DatasetError, match=message):
        count_objects(file, CLASSES)


def test_a_missing_annotation_a_folder_and_a_pipe_are_refused_without_waiting(tmp_path):
    (tmp_path / "folder.xml").mkdir()
    os.mkfifo(tmp_path / "pipe.xml")
    for name in ("none.xml", "folder.xml", "pipe.xml"):
        with pytest.raises(DatasetError, match=f"{name}: no such annotation file"):
            count_objects(tmp_path / name, CLASSES)


def test_photographs_keep_the_order_of_their_list_whatever_its_line_ends(tmp_path):
    root = draw_bccd(tmp_path)
    ids = ["BloodImage_00004", "BloodImage_00001", "BloodImage_00030"]
    (root / "ImageSets" / "Main" / "val.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join(ids).encode())
    photographs = read_folder(root, lists=["val"], classes=CLASSES)["val"]
    assert [photograph.image_id for photograph in photographs] == ids
    assert photographs[0].path == root / "JPEGImages" / "BloodImage_00004.jpg"
    assert photographs[0].counts == {"RBC": 4, "WBC": 1, "Platelets": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"BloodImage_00001\nBloodImage_00002\nBloodImage_00001\n", r"val\.txt:3: .*already listed at .*val\.txt:1"),
        (b"\n \n", r"val\.txt: an empty list"),
        (b"BloodImage_00001\n../../secret\n", r"val\.txt:2: '\.\./\.\./secret' is not the plain name"),
        (b"Blood\xff\n", r"val\.txt: cannot be read"),
        (None, r"val\.txt: no such list"),
    ],
)
def test_a_faulty_list_is_refused_with_file_and_line(tmp_path, content, message):
    path = draw_bccd(tmp_path) / "ImageSets" / "Main" / "val.txt"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_folder(tmp_path, lists=["val"], classes=CLASSES)


def test_many_faults_are_counted_and_only_the_first_are_shown(tmp_path):
    draw_bccd(tmp_path)
    for path in (tmp_path / "JPEGImages").iterdir():
        path.unlink()
    with pytest.raises(DatasetError) as caught:
        read_folder(tmp_path, lists=["train", "val"], classes=CLASSES)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: 33 faults")
    assert len(re.findall("no such file", message)) == MAX_LISTED
    assert message.endswith("... and 13 more")


def test_the_region_of_a_class_is_its_boxes_counted_from_one_and_cut_at_the_edge(tmp_path):
    root = draw_bccd(tmp_path)
    photograph = read_folder(root, lists=["val"], classes=CLASSES)["val"][0]
    photograph.annotation.write_text(annotation([("RBC", 1, 1), ("Platelets", 10, 3), ("RBC", 60, 44)]))
    assert boxes_of(photograph.annotation, "RBC") == [Box(1, 1, 9, 9), Box(60, 44, 68, 52)]
    region = BoxRegion(photograph, "RBC").load()
    assert region.shape == (48, 64)
    expected = np.zeros((48, 64), dtype=bool)
    expected[0:9, 0:9] = expected[43:48, 59:64] = True
    assert np.array_equal(region, expected)
    assert not BoxRegion(photograph, "WBC").load().any()


@pytest.mark.parametrize("side", ["<xmin>1.5</xmin>", "<xmin></xmin>", ""])
def test_a_box_without_four_whole_numbers_is_refused_with_file_and_line(file, side):
    file.write_text(annotation([("WBC", 0, 0), ("RBC", 8, 0)]).replace("<xmin>8</xmin>", side))
    assert len(boxes_of(file, "WBC")) == 1
    with pytest.raises(DatasetError, match=r"one\.xml:7: a box with xmin, ymin, xmax, ymax .* four whole numbers"):
        boxes_of(file, "RBC")
