"""Strict JSON: what a lenient reader guesses at is refused with file and line."""

import os

import pytest

from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import json_files, read_json, read_json_lines


@pytest.fixture
def write(tmp_path):
    def written(content, name="data.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def test_a_byte_order_mark_is_read_over(write):
    assert read_json(write(b'\xef\xbb\xbf{"a": "\xc3\xa9"}')) == {"a": "é"}
    assert list(read_json_lines(write(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}'))) == [(1, {"a": 1}), (3, {"a": 2})]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ('[\n {"a": 1},\n {"a": NaN}\n]', 3, "NaN is not JSON"),
        ('[\n -Infinity]', 1, "-Infinity is not JSON"),
        ('[\n {"a": 1},\n\n {"a": {"b": 1,\n "c": 2, "b": 3}}\n]', 4, "the key 'b' stands twice in one object"),
        ('[\n {"a": 1},\n]', 3, "malformed JSON (Expecting value"),
        ('[\n {"a": 1},\n {"a": 2', 3, "malformed JSON"),
        ('["half', 1, "malformed JSON"),
        ("[" * 100_000, 1, "nested too deeply"),
        (b'[\n"\xe4"]', 2, "not UTF-8"),
        ("", 1, "malformed JSON"),
        ("version https://git-lfs.github.com/spec/v1\n", None, "Git LFS pointer"),
    ],
)  # fmt: skip
def test_a_doubtful_file_is_refused_with_its_line(write, content, line, reason):
    path = write(content)
    with pytest.raises(DatasetError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}:" + (f"{line}:" if line else ""))
    assert reason in str(caught.value)


def test_of_lines_the_good_ones_are_read_and_a_bad_one_is_named(write, monkeypatch):
    monkeypatch.setattr(json_files, "MAX_LINE_BYTES", 64)
    path = write('{"a": 1}\n{"a": NaN}\n{"a": 1, "a": 2}\n"' + "x" * 300 + '"\n{"a": 3}\n{"a": 4')
    read = dict(read_json_lines(path))
    assert {number for number, content in read.items() if isinstance(content, DatasetError)} == {2, 3, 4, 6}
    assert (read[1], read[5]) == ({"a": 1}, {"a": 3})
    assert f"{path}:4: longer than" in str(read[4])
    assert f"{path}:6: malformed JSON" in str(read[6])


@pytest.mark.parametrize("reader", [read_json, lambda path: list(read_json_lines(path))])
def test_a_missing_file_and_a_pipe_are_refused_and_never_waited_for(tmp_path, reader):
    with pytest.raises(DatasetError, match="no such file"):
        reader(tmp_path / "none.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DatasetError, match="not a file"):
        reader(tmp_path / "pipe.json")
