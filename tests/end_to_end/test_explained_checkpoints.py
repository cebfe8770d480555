"""`src/eval.py task=explain`: its files, its pictures, and that it is the same at every run."""

import json

from drawn_bccd import draw_bccd
from drawn_sets import write_pathmmu
from running import LIGHTNING_WARNINGS, entry

pytestmark = LIGHTNING_WARNINGS
SHORT = ("n=3", "masks=8", "shifts=1", "shares=[0.2]", "pieces=[4]", "replicates=50", "overlays=2")
OURS = ("dataset.splits.test=4", 'answer="This is {option}"')


def explained(out, *arguments):
    outcome = entry("eval", "task=explain", *SHORT, f"out={out}", *arguments)
    assert outcome.status == 0, outcome.text
    return outcome.stdout, json.loads((out / "explain.json").read_text())


def test_tables_numbers_and_overlays_are_written_and_are_the_same_at_every_run(tmp_path):
    text, found = explained(tmp_path / "a", *OURS)
    again, same = explained(tmp_path / "b", *OURS)
    assert text.replace("/a:", "/b:").split("explained 3/3")[1][40:] == again.split("explained 3/3")[1][40:]
    assert found == same | {"settings": found["settings"]}
    assert [row["method"] for row in found["methods"]] == ["rise", "attention", "rollout", "random"]
    assert [row["control"] for row in found["controls"]] == ["shuffled 4 x 4", "another picture"]
    assert [len(one["maps"]) for one in found["questions"]] == [4, 4, 4]
    page = (tmp_path / "a" / "explain.md").read_text()
    for row in found["methods"]:
        assert f"| {row['method']} | {row['deletion']['value']:+.3f} [" in page
    assert "attention: not validated, deletion" in text
    pictures = sorted((tmp_path / "a" / "overlays").glob("*.png"))
    assert len(pictures) == 2
    assert [path.read_bytes() for path in pictures] == [
        (tmp_path / "b" / "overlays" / path.name).read_bytes() for path in pictures
    ]


def test_photographs_are_held_against_their_boxes_and_sets_without_regions_say_so(tmp_path):
    root = draw_bccd(tmp_path / "bccd")
    text, found = explained(tmp_path / "a", "dataset=bccd", f"dataset.root={root}", "methods=[random]", "n=6")
    placed = [one["maps"]["random"]["placement"] for one in found["questions"]]
    assert sum(one is not None for one in placed) == found["methods"][0]["n_regions"] > 0
    assert "of 6 questions have a region that is known to decide" in text
    write_pathmmu(tmp_path / "PathMMU", questions=2)
    text, found = explained(
        tmp_path / "b", "dataset=pathmmu", f"dataset.root={tmp_path / 'PathMMU'}", "methods=[random]"
    )
    assert "None of 3 questions has a region" in text
    assert found["methods"][0]["pointing"] is None


def test_more_questions_than_there_are_and_no_checkpoint_are_refused_before_a_model_loads(tmp_path):
    many = entry("eval", "task=explain", "n=9", "dataset.splits.test=4", f"out={tmp_path / 'a'}")
    assert many.status == 2
    assert "n=9: split=test of phantom has 4 questions of one picture with options" in many.text
    none = entry("eval", "task=explain", f"model.checkpoint={tmp_path / 'none'}", f"out={tmp_path / 'b'}")
    assert none.status == 2
    assert "no such folder" in none.text
