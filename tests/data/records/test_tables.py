"""Tables as spreadsheets write them: delimiter, encoding, line ends and large cells are found out, and faults named."""

import csv

import pytest

from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import read_table, tables

COLUMNS = {"question": ("Question",), "answer": ("Answer", "Anwser")}


@pytest.fixture
def write(tmp_path):
    def written(text, encoding="utf-8"):
        path = tmp_path / "a.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return written


def answers(table):
    return [row["answer"] for _, row in table.rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_line_ends_and_breaks_within_quotes(write, delimiter, end):
    rows = [["index", "Question", "Answer"], ["0", f"two{end}lines, and {delimiter}", "A"], ["1", 'a "quote"', "B"]]
    lines = (delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    table = read_table(write(end.join(lines) + end + end), COLUMNS)
    assert [dict(row) for _, row in table.rows] == [
        {"question": f"two{end}lines, and {delimiter}", "answer": "A"}, {"question": 'a "quote"', "answer": "B"},
    ]  # fmt: skip
    assert [line for line, _ in table.rows] == [2, 4]


def test_the_card_s_spelling_an_unnamed_column_and_windows_letters(write):
    table = read_table(write(",Question,Anwser\n0,Größe: welche?,A\n", "cp1252"), COLUMNS)
    assert (answers(table), table.is_windows_encoded) == (["A"], True)
    assert table.rows[0][1]["question"] == "Größe: welche?"
    assert not read_table(write("\ufeffQuestion,Answer\nGröße,B\n"), COLUMNS).is_windows_encoded


def test_a_row_of_another_width_is_left_out_with_its_line(write):
    table = read_table(write("Question,Answer\na,A\nb\nc,C,x\nd,D\n"), COLUMNS)
    assert answers(table) == ["A", "D"]
    assert table.faults == ((3, "1 cells, and the heading has 2"), (4, "3 cells, and the heading has 2"))


def test_a_cell_of_megabytes_is_read_and_the_limit_of_the_process_stays(write):
    limit = csv.field_size_limit()
    table = read_table(write(f"Question\tAnswer\n{'x' * 2_000_000}\tA\n"), COLUMNS)
    assert len(table.rows[0][1]["question"]) == 2_000_000
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Question,Reply\na,A\n", "a.csv:1: no column Answer; the heading is 'Question,Reply'"),
        ("", "a.csv:1: no column Question, Answer"),
        ('Question,Answer\na,A\n"b,B\nc,C\n', "a.csv:3: unexpected end of data. Close the quote"),
    ],
)
def test_what_is_no_such_table_is_refused_with_its_line(write, text, message):
    with pytest.raises(DatasetError) as caught:
        read_table(write(text), COLUMNS)
    assert message in str(caught.value)


def test_bytes_of_no_encoding_and_a_missing_file(tmp_path, write, monkeypatch):
    with pytest.raises(DatasetError, match="no such file"):
        read_table(tmp_path / "none.csv", COLUMNS)
    path = write("Question,Answer\n")
    path.write_bytes(b"Question,Answer\n\x81,A\n")
    with pytest.raises(DatasetError, match="neither UTF-8 nor Windows-1252"):
        read_table(path, COLUMNS)
    monkeypatch.setattr(tables, "MAX_CELL_CHARACTERS", 10)
    with pytest.raises(DatasetError, match="field larger than field limit"):
        read_table(write("Question,Answer\n" + "x" * 20 + ",A\n"), COLUMNS)
