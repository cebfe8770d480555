"""Samples as lines, and the rewards of completions that come from elsewhere."""

import json

import pytest
from drawn_bccd import draw_bccd
from running import TINY_DATA, entry

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.phantom import PhantomSource

DATA = (TINY_DATA[0], "split=validation")
OURS = PhantomSource("phantom", "histology", 20260711, 112, {"terse": 0.3, "partial": 0.1, "complete": 0.6})


def shown(*typed):
    """The lines of `src/data.py format=jsonl`."""
    outcome = entry("data", "format=jsonl", *DATA, *typed)
    assert outcome.status == 0, outcome.text
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def written(path, lines):
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def rescored(path, *typed):
    """Each line of the output, in order."""
    outcome = entry("eval", "task=rescore", f"completions={path}", *DATA, *typed)
    assert outcome.status == 0, outcome.text
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def refused(path, *typed):
    outcome = entry("eval", "task=rescore", f"completions={path}", *DATA, *typed)
    assert outcome.status == 2
    return outcome.stderr.removeprefix("error: ").removesuffix("\n")


def test_lines_are_the_datasets_own_questions_with_a_reference_that_gets_the_full_reward(tmp_path):
    lines = shown("n=3")
    samples = OURS.samples("validation", 3)
    for line, sample in zip(lines, samples, strict=True):
        assert list(line) == ["id", "question", "options", "answer", "reference"]
        assert (line["id"], line["question"], line["answer"]) == (sample.sample_id, sample.question, sample.answer)
        assert tuple(line["options"]) == sample.options
    completions = [{"sample_id": line["id"], "completion": line["reference"]} for line in lines]
    found = rescored(written(tmp_path / "a.jsonl", completions), "reward=dual")
    assert [line["terms"] for line in found] == [{"accuracy": 1.0, "format": 1.0, "process": 1.0}] * 3
    assert [line["total"] for line in found] == [3.0] * 3


def test_on_photographs_too_the_screen_has_lines_and_nothing_else_and_references_get_the_full_reward(tmp_path):
    smears = ("dataset=bccd", f"dataset.root={draw_bccd(tmp_path / 'BCCD')}", "split=validation")
    samples = entry("data", "format=jsonl", "n=5", *smears)
    assert "photographs: platelets" in samples.stderr, "what the reader has to say goes elsewhere"
    lines = [json.loads(line) for line in samples.stdout.splitlines()]
    completions = [{"sample_id": line["id"], "completion": line["reference"]} for line in lines]
    path = written(tmp_path / "a.jsonl", completions)
    outcome = entry("eval", "task=rescore", f"completions={path}", "reward=dual", *smears)
    assert [json.loads(line)["total"] for line in outcome.stdout.splitlines()] == [3.0] * 5


def test_lines_keep_their_order_and_their_other_keys_and_each_is_scored_by_itself(tmp_path):
    first, second = OURS.samples("validation", 2)
    wrong = next(letter for letter in second.letters if letter != second.answer)
    completions = [
        {
            "note": {"any": [1]},
            "sample_id": second.sample_id,
            "completion": f"<think>x</think><answer>{wrong}</answer>",
        },
        {"sample_id": first.sample_id, "completion": Contract().target(first)},
        {"sample_id": second.sample_id, "completion": f"<answer>{second.answer}</answer>"},
    ]
    path, out = written(tmp_path / "a.jsonl", completions), tmp_path / "made" / "b.jsonl"
    assert rescored(path, "reward=accuracy_format", f"out={out}") == []
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [{key: line[key] for key in given} for line, given in zip(found, completions, strict=True)] == completions
    assert [line["total"] for line in found] == [1.0, 2.0, 1.0]
    alone = rescored(written(tmp_path / "c.jsonl", completions[2:]), "reward=accuracy_format")
    assert alone == found[2:]


def test_another_coefficient_and_weight_change_the_total_as_stated(tmp_path):
    (sample,) = OURS.samples("validation", 1)
    path = written(
        tmp_path / "a.jsonl", [{"sample_id": sample.sample_id, "completion": f"<answer>{sample.answer}</answer>"}]
    )
    (line,) = rescored(path, "reward=dual", "reward.process.coefficient=0.1", "reward.process.weight=2")
    assert line["terms"] == {"accuracy": 1.0, "format": 0.0, "process": pytest.approx((0.7 + 1) / 2)}
    assert line["total"] == pytest.approx(1 + 2 * 0.85)


def test_a_penalty_on_length_needs_the_number_of_tokens(tmp_path):
    (sample,) = OURS.samples("validation", 1)
    line = {"sample_id": sample.sample_id, "completion": "<answer>A</answer>"}
    path = written(tmp_path / "a.jsonl", [line])
    for reward in ("dual_overlong", "dual_length"):
        assert refused(path, f"reward={reward}").startswith(
            f"{path}:1: reward={reward} weighs the length of a completion in tokens; add token_count to every line"
        )
    path = written(tmp_path / "b.jsonl", [line | {"token_count": 5}])
    assert rescored(path, "reward=dual_overlong")[0]["terms"]["overlong"] == 0
    path = written(tmp_path / "c.jsonl", [line | {"token_count": "5"}])
    assert refused(path, "reward=dual") == f'{path}:1: token_count must be a whole number, not "5"'


def test_a_term_that_asks_how_a_completion_ended_reads_it_from_the_line(tmp_path, monkeypatch):
    term = "def ended(completion):\n    return Score(float(not completion.is_capped), 'its end')\n"
    (tmp_path / "ends.py").write_text(f"from pathvlm_r1.reward import Score\n\n\n{term}")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ("reward=accuracy", "+reward.terms={ended: {_target_: ends.ended, weight: 1}}")
    (sample,) = OURS.samples("validation", 1)
    line = {"sample_id": sample.sample_id, "completion": "<answer>"}
    lines = [line, line | {"finish_reason": "stop"}, line | {"finish_reason": "length"}]
    found = rescored(written(tmp_path / "a.jsonl", lines), *own)
    assert [one["terms"]["ended"] for one in found] == [1.0, 1.0, 0.0]
    path = written(tmp_path / "b.jsonl", [line | {"finish_reason": ["cut"]}])
    assert refused(path, *own) == f'{path}:1: finish_reason must be stop or length, not ["cut"]'


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "{path}:1: not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
        (["[]"], "{path}:1: must be an object with sample_id and completion, not list"),
        (["", '{"completion": "x"}'], "{path}:2: sample_id must be a text, not null"),
        (['{"sample_id": "x", "completion": 3}'], "{path}:1: completion must be a text, not 3"),
        (['{"sample_id": "x", "completion": "y"}'], "{path}:1: sample_id 'x' is not in split=validation of"),
        (['{"sample_id": "x", "completion": "y", "total": 1}'], "{path}:1: has total already, which rescoring adds"),
        ([""], "{path}: holds no completions"),
        (['"a"'] * 8, "and 3 more\n  8 lines in all; mend them, or leave them out"),
    ],
)
def test_lines_that_are_no_completions_are_refused_with_their_number(tmp_path, lines, message):
    path = written(tmp_path / "a.jsonl", lines)
    assert message.format(path=path) in refused(path)


def test_files_that_cannot_be_used_are_refused_before_anything_is_scored(tmp_path):
    assert refused(tmp_path / "none.jsonl").startswith(f"completions={tmp_path / 'none.jsonl'}: no such file; name one")
    path = written(tmp_path / "a.jsonl", [])
    assert refused(path, f"out={path}") == f"out={path}: is the file of completions; name another one"
    assert refused(path, f"out={tmp_path}").startswith(f"out={tmp_path}: is a folder; name a file in it")
    assert "task=rescore does not read it; leave it out" in refused(path, "evaluation=sampled")


def test_lines_go_to_a_file_where_one_is_named(tmp_path):
    out = tmp_path / "lines.jsonl"
    assert shown("n=2", f"out={out}") == []
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == [
        sample.sample_id for sample in OURS.samples("validation", 2)
    ]
