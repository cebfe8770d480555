"""Which answers of two runs are the same questions, and with which words the others are refused."""

import re
from dataclasses import replace

import pytest
from evaluated_runs import add_predictions, answered, evaluated_run

from pathvlm_r1.contract import THINK_ANSWER
from pathvlm_r1.evaluation import Mismatch, common_files, paired_runs, write_predictions
from pathvlm_r1.tracking import TrackingError


def written(folder, name, predictions):
    path = folder / f"{name}.jsonl"
    write_predictions(path, predictions)
    return path


def paired(folder, before, after, *, is_common_enough=False, may_differ=()):
    paths = written(folder, "a", before), written(folder, "b", after)
    return paired_runs("phantom", *paths, is_common_enough=is_common_enough, may_differ=may_differ)


def test_questions_are_matched_by_id_whatever_their_order(tmp_path):
    before, after = answered("sft", 0), answered("grpo", 0)
    runs = paired(tmp_path, before, after[::-1])
    assert [pair.a for pair in runs.pairs] == [(one,) for one in before]
    assert [pair.b for pair in runs.pairs] == [(one,) for one in after]
    assert (runs.only_a, runs.only_b, runs.mismatches, runs.decodes) == (0, 0, {}, (1, 1))
    assert runs.contracts == (("think_answer_v1",), ("think_answer_v1",))


def test_different_questions_are_refused_with_counts_and_compared_where_that_is_asked(tmp_path):
    before, after = answered("sft", 0)[:30], answered("grpo", 0)[10:]
    message = "20 in both, 10 in a alone, such as phantom/test/00000, 10 in b alone, such as phantom/test/00030"
    with pytest.raises(TrackingError, match=message) as caught:
        paired(tmp_path, before, after)
    assert "items=common" in str(caught.value)
    runs = paired(tmp_path, before, after, is_common_enough=True)
    assert (len(runs.pairs), runs.only_a, runs.only_b) == (20, 10, 10)


def test_nothing_in_common_is_refused_whatever_is_asked(tmp_path):
    with pytest.raises(TrackingError, match="0 in both") as caught:
        paired(tmp_path, answered("sft", 0)[:5], answered("sft", 0)[5:], is_common_enough=True)
    assert "items=common" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"contract": "letters_v1"}, Mismatch.CONTRACT),
        ({"prompt_hash": "f" * 64}, Mismatch.PROMPT),
        ({"image_id": "other"}, Mismatch.PICTURE),
    ],
)
def test_what_differs_is_refused_until_it_is_named_and_counted_then(tmp_path, changes, kind):
    before, after = answered("sft", 0), answered("grpo", 0)
    after[3:5] = [replace(one, **changes) for one in after[3:5]]
    message = f"{kind} on 2 of 40 questions. Evaluate both alike, or name it: may_differ=[{kind}]"
    with pytest.raises(TrackingError, match=re.escape(message)):
        paired(tmp_path, before, after, may_differ=[other for other in Mismatch if other != kind])
    assert paired(tmp_path, before, after, may_differ=[kind]).mismatches == {kind: 2}


def test_another_reference_answer_is_another_question_whatever_is_named(tmp_path):
    before, after = answered("sft", 0), answered("grpo", 0)
    after[0] = replace(after[0], reference="C")
    with pytest.raises(TrackingError, match="1 of 40 questions have another reference answer in b, such as phantom/te"):
        paired(tmp_path, before, after, is_common_enough=True, may_differ=list(Mismatch))


def test_several_decodes_stay_together_and_an_uneven_number_is_refused(tmp_path):
    sampled = [replace(one, decode=decode) for decode in range(3) for one in answered("sft", decode)]
    assert paired(tmp_path, sampled, answered("grpo", 0)).decodes == (3, 1)
    with pytest.raises(TrackingError, match="has 2 to 3 completions per question"):
        paired(tmp_path, sampled[:-1], sampled)
    with pytest.raises(TrackingError, match="40 questions with one decode twice"):
        paired(tmp_path, answered("sft", 0) * 2, sampled)


def test_the_datasets_of_both_are_found_and_what_one_has_alone_is_said(tmp_path):
    first, second = evaluated_run(tmp_path, "sft"), evaluated_run(tmp_path, "grpo")
    add_predictions(first, {"phantom_oct.test.greedy": answered("sft", 0), "phantom.validation.greedy": []})
    add_predictions(second, {"phantom.test.greedy.blank": [], "bccd.test.greedy": answered("sft", 0)})
    both, only_a, only_b = common_files(first, second, split="test", decoding="greedy", contract=THINK_ANSWER)
    assert {name: (a.parent.parent, b.name) for name, (a, b) in both.items()} == {
        "phantom": (first, "phantom.test.greedy.jsonl"), "phantom_ct": (first, "phantom_ct.test.greedy.jsonl"),
    }  # fmt: skip
    assert (only_a, only_b) == (("phantom_oct",), ("bccd",))


def test_two_files_are_compared_as_they_are(tmp_path):
    paths = [written(tmp_path, name, answered("sft", 0)) for name in ("x.test.greedy", "x.test.greedy.blank")]
    both, *alone = common_files(*paths, split="test", decoding="greedy", contract=THINK_ANSWER)
    assert both == {"x.test.greedy and x.test.greedy.blank": tuple(paths)}
    assert alone == [(), ()]


def test_runs_without_what_is_asked_are_refused_with_what_there_is(tmp_path):
    run, other = evaluated_run(tmp_path, "sft"), evaluated_run(tmp_path, "grpo", files={"bccd.test.greedy": []})
    with pytest.raises(TrackingError, match=r"b=.*nowhere: not found"):
        common_files(run, tmp_path / "nowhere", split="test", decoding="greedy", contract=THINK_ANSWER)
    with pytest.raises(TrackingError, match=r"a=.*is a file, and the other one is not"):
        common_files(written(tmp_path, "x", []), run, split="test", decoding="greedy", contract=THINK_ANSWER)
    with pytest.raises(
        TrackingError,
        match=r"no predictions of split=test, decoding=sampled and contract=think_answer_v1; there are: phan",
    ):
        common_files(run, run, split="test", decoding="sampled", contract=THINK_ANSWER)
    with pytest.raises(
        TrackingError, match=r"no dataset in common on test.greedy.think_answer_v1: phantom, phantom_ct ag"
    ):
        common_files(run, other, split="test", decoding="greedy", contract=THINK_ANSWER)
