"""Completions that are kept: whole portions survive whatever ended the file, and nothing else is taken for one."""

import json
from dataclasses import replace

import pytest

from pathvlm_r1.evaluation import Generated, GenerationFile
from pathvlm_r1.tracking import TrackingError

NAMES = [f"q{index}" for index in range(7)]
PORTION, DECODES = 2, 2


def group(name):
    return [
        Generated(sample_id=name, decode=decode, text=f"{name}\u2028\r\n{decode}", tokens=3, is_capped=False, cap=8)
        for decode in range(DECODES)
    ]


def filled(path, names=NAMES):
    """The file after so many questions, and its bytes."""
    file = GenerationFile(path, {"checkpoint": "c", "seed": None})
    assert kept(file) == []
    for start in range(0, len(names), PORTION):
        file.append([group(name) for name in names[start : start + PORTION]])
    return file, path.read_bytes()


def kept(file, names=NAMES):
    return file.kept(names, decodes=DECODES, portion=PORTION)


def test_what_was_appended_is_read_again(tmp_path):
    file, _ = filled(tmp_path / "a.jsonl")
    assert kept(file) == [group(name) for name in NAMES]


def test_a_file_that_was_cut_anywhere_gives_its_whole_portions_and_goes_on_to_the_same_bytes(tmp_path):
    _, whole = filled(tmp_path / "whole.jsonl")
    header = whole.index(b"\n") + 1
    file = GenerationFile(tmp_path / "cut.jsonl", {"checkpoint": "c", "seed": None})
    for length in range(header, len(whole), 7):
        file.path.write_bytes(whole[:length])
        found = kept(file)
        assert len(found) % PORTION == 0
        assert found == [group(name) for name in NAMES[: len(found)]]
        for start in range(len(found), len(NAMES), PORTION):
            file.append([group(name) for name in NAMES[start : start + PORTION]])
        assert file.path.read_bytes() == whole


@pytest.mark.parametrize("fault", ["identity", "not JSON", "key", "order", "decode"])
def test_a_file_that_is_something_else_is_refused_with_its_line(tmp_path, fault):
    file, whole = filled(tmp_path / "a.jsonl")
    lines = whole.splitlines(keepends=True)
    if fault == "identity":
        file = replace(file, identity={"checkpoint": "another", "seed": None})
    if fault == "not JSON":
        lines[2] = b"{\n"
    if fault == "key":
        lines[2] = json.dumps({"sample_id": "q0"}).encode() + b"\n"
    if fault == "order":
        lines[1:3], lines[3:5] = lines[3:5], lines[1:3]
    if fault == "decode":
        lines[1], lines[2] = lines[2], lines[1]
    file.path.write_bytes(b"".join(lines))
    line = {"identity": 1, "not JSON": 3, "key": 3, "order": 2, "decode": 2}[fault]
    with pytest.raises(TrackingError, match=rf"a\.jsonl:{line}: .*fresh=true"):
        kept(file)
