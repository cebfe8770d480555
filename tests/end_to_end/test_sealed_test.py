"""The sealed test as users meet it: one way to open it, a register of who did, and a report that tells."""

import json
from threading import Thread

import pytest
from drawn_sets import draw
from filelock import FileLock
from running import LIGHTNING_WARNINGS, Outcome, composed, entry

from pathvlm_r1.config import ConfigError, refuse_unread
from pathvlm_r1.evaluation.openings import REGISTER, Opening, openings_below, register
from pathvlm_r1.tracking import TrackingError

pytestmark = LIGHTNING_WARNINGS

ROLES = {
    "train_sft": range(6), "train_rl": range(6, 8), "validation": range(8, 10), "development": range(10, 12),
    "sealed_test": range(12, 16),
}  # fmt: skip


@pytest.fixture
def dataset(tmp_path):
    """A set of one file that is divided into roles, as it is typed."""
    root, rows = tmp_path / "mine", []
    for number in range(16):
        draw(root / f"{number}.png", number)
        asked = f"<image>Which pattern is number {number}?\nA) whorled\nB) nested"
        dialogue = [{"from": "human", "value": asked}, {"from": "gpt", "value": "AB"[number % 2]}]
        rows.append({"id": number, "image": f"{number}.png", "conversations": dialogue})
    (root / "all.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    roles = {role: [f"all.jsonl/{number}" for number in numbers] for role, numbers in ROLES.items()}
    (root / "split.json").write_text(json.dumps({"roles": roles}))
    return (
        "dataset=jsonl", f"dataset.root={root}", f"dataset.split_file={root}/split.json",
        "dataset.splits={sft: [all.jsonl], rl: [], validation: [], test: []}",
    )  # fmt: skip


def asked(dataset, output, *more) -> Outcome:
    quick = ("model.max_completion_tokens=8", "raise_cap_to=null", "evaluation.replicates=50")
    return entry("eval", *dataset, f"output={output}", "split=sealed_test", *quick, *more)


def words_of(outcome: Outcome) -> str:
    return outcome.stderr.partition("To open it type ")[2].partition(";")[0]


def test_it_is_opened_by_its_name_and_content_alone_and_every_opening_is_registered_and_reported(dataset, tmp_path):
    output = tmp_path / "out"
    closed = asked(dataset, output)
    assert closed.status == 2
    assert "The sealed test of dataset=jsonl has 4 questions; checkpoints were shown it 0 times." in closed.stderr
    assert asked(dataset, output, "confirm=yes").stderr.count("confirm=yes names another") == 1
    assert not output.exists()
    words = words_of(closed)
    assert words.startswith("confirm=jsonl-")
    assert len(words) == len("confirm=jsonl-") + 8
    for _ in range(2):
        opened = asked(dataset, output, words)
        assert opened.status == 0, opened.text
    lines = [json.loads(line) for line in (output / REGISTER).read_text().splitlines()]
    assert [(line["dataset"], line["questions"], line["arm"]) for line in lines] == [("jsonl", 4, "base")] * 2
    assert len({line["checkpoint_hash"] for line in lines}) == 1
    assert lines[0]["config"]["confirm"] == words.removeprefix("confirm=")
    assert "were shown it 2 times, last on 20" in asked(dataset, output).stderr
    reported = entry("report", f"runs={output}", "replicates=50")
    assert reported.status == 0, reported.text
    assert "sealed test of jsonl" in reported.stdout
    assert "opened 2 times, checkpoints that were shown it: 1" in reported.stdout
    assert "## Sealed tests" in (output / "report.md").read_text()
    (row,) = json.loads((output / "summary.json").read_text())["openings"]
    assert (row["openings"], row["checkpoint_hash"]) == (2, lines[0]["checkpoint_hash"])
    (output / REGISTER).unlink()
    assert "no register says when it was opened" in entry("report", f"runs={output}", "replicates=50").stdout


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["train", "stage=sft", "stage.split=sealed_test"], "stage.split=sealed_test: one of sft, rl"),
        (["data", "split=sealed_test"], "split=sealed_test: one of sft, rl, validation, test, development"),
        (["data", "split=test"], "no role test; it has train_sft, train_rl, validation, development, sealed_test"),
        (["eval", "split=test"], "sealed_test is opened by src/eval.py split=sealed_test alone"),
        (["eval", "task=rl_readiness", "split=sealed_test", "judge=rules"], "one of sft, rl, validation, test"),
        (["eval", "task=rescore", "split=sealed_test", "completions=a.jsonl"], "one of sft, rl, validation, test"),
        (["eval", "task=judge_audit", "split=sealed_test", "completions=a.jsonl"], "one of sft, rl, validation, test"),
    ],
)
def test_nothing_else_reads_it(dataset, tmp_path, monkeypatch, typed, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    outcome = entry(typed[0], *dataset, *typed[1:])
    assert outcome.status == 2
    assert message in outcome.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_sweep_over_it_is_refused_and_what_is_not_sealed_needs_no_word(dataset, tmp_path):
    outcome = entry(
        "eval", "-m", *dataset, f"output={tmp_path}/out", "split=sealed_test", "seed=0,1", "confirm=jsonl-12345678"
    )
    assert outcome.status == 2
    assert "not in a sweep (-m), which compares settings; choose on split=validation" in outcome.stderr
    with pytest.raises(ConfigError, match="confirm: split=test is not sealed; leave it out"):
        refuse_unread(["confirm=x"], composed("eval", "confirm=x"))


def test_a_set_without_one_says_how_to_make_it(tmp_path):
    outcome = asked(("dataset=phantom",), tmp_path / "out")
    assert outcome.status == 2
    assert "dataset=phantom has no split sealed_test: `python src/data.py task=split` makes one" in outcome.stderr


def test_what_is_for_work_is_shown(dataset, tmp_path):
    out = tmp_path / "lines.jsonl"
    outcome = entry("data", *dataset, "split=development", "format=jsonl", f"out={out}")
    assert outcome.status == 0, outcome.text
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["all.jsonl/10", "all.jsonl/11"]


def opening(number: int) -> Opening:
    return Opening(
        opened_at=f"2026-01-01T00:00:{number:02d}+00:00", dataset="mine", data_hash="d" * 64, questions=4, arm="sft",
        seed=number, checkpoint="x", checkpoint_hash=str(number), config={},
    )  # fmt: skip


def test_who_registers_waits_for_who_is_writing(tmp_path):
    writer = Thread(target=register, args=(tmp_path, [opening(1)]))
    with FileLock(tmp_path / f".{REGISTER}.lock"):
        writer.start()
        writer.join(timeout=0.5)
        assert writer.is_alive()
        assert not (tmp_path / REGISTER).exists()
    writer.join()
    assert [one.seed for one in openings_below(tmp_path)] == [1]


def test_a_register_that_was_touched_is_named_with_its_line(tmp_path):
    register(tmp_path, [opening(1)])
    with (tmp_path / REGISTER).open("a") as file:
        file.write('{"opened_at": "never"}\n')
    with pytest.raises(TrackingError, match=rf"{REGISTER}:2: no line of the register"):
        openings_below(tmp_path)
