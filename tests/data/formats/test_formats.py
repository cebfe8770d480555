"""One set of questions in every format: each reader gives the same samples, and names what is wrong."""

import json

import pytest
from datasets import Dataset, DatasetDict
from drawn_sets import draw
from drawn_tables import jpeg, write_parquet

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.formats import FieldMap, read_hub, read_jsonl, read_llama_factory, read_rl_parquet, read_trl

CHOICE = "Which?\nA) Focal (one)\nB) Diffuse"
ROWS = (
    (CHOICE, "B) Diffuse", ["d/a.jpg"]), ("is it benign?", "no", ["d/b.jpg"]),
    ("What is shown?", "a gland", ["d/a.jpg"]),
    ("Which differs? A) first B) second", "<think>They differ.</think><answer>A</answer>", ["d/a.jpg", "d/b.jpg"]),
)  # fmt: skip
TYPICAL = FieldMap("question", "answer", "image", ())


@pytest.fixture
def root(tmp_path):
    for number, name in enumerate(("a", "b")):
        draw(tmp_path / "d" / f"{name}.jpg", number)
    return tmp_path


def marked(text, images):
    return "<image>" * len(images) + text


def vlm_r1(rows=ROWS):
    return [
        {
            "id": number, "image": images if len(images) > 1 else images[0],
            "conversations": [{"from": "human", "value": marked(text, images)}, {"from": "gpt", "value": answer}],
        }
        for number, (text, answer, images) in enumerate(rows)
    ]  # fmt: skip


def sharegpt(rows=ROWS):
    return [
        {
            "id": number, "images": images, "messages": [
                {"role": "system", "content": "You are a pathologist."},
                {"role": "user", "content": marked(text, images)}, {"role": "assistant", "content": answer},
            ],
        }
        for number, (text, answer, images) in enumerate(rows)
    ]  # fmt: skip


def trl_parts(text, images):
    return [*[{"type": "image", "text": None}] * len(images), {"type": "text", "text": text}]


def trl_sft(rows=ROWS):
    return [
        {
            "id": number, "images": images, "messages": [
                {"role": "user", "content": trl_parts(text, images)},
                {"role": "assistant", "content": trl_parts(answer, [])},
            ],
        }
        for number, (text, answer, images) in enumerate(rows)
    ]  # fmt: skip


def trl_grpo(rows=ROWS):
    return [
        {
            "id": n,
            "images": images,
            "prompt": [{"role": "user", "content": trl_parts(text, images)}],
            "solution": answer,
        }
        for n, (text, answer, images) in enumerate(rows)
    ]


def easyr1(rows=ROWS):
    return [
        {"id": n, "problem": marked(text, images), "answer": answer, "images": images}
        for n, (text, answer, images) in enumerate(rows)
    ]


def verl(rows=ROWS):
    return [
        {
            "id": n, "data_source": "question", "images": images, "ability": "vqa",
            "prompt": [{"role": "user", "content": marked(text, images)}],
            "reward_model": {"style": "rule", "ground_truth": answer},
            "extra_info": {"split": "train", "index": n, "answer": answer, "question": text},
        }
        for n, (text, answer, images) in enumerate(rows)
    ]  # fmt: skip


def lines(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def llama_factory(root, rows):
    (root / "p.json").write_text(json.dumps(rows))
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    columns = {"messages": "messages", "images": "images"}
    entry = {"file_name": "p.json", "formatting": "sharegpt", "columns": columns, "tags": tags}
    (root / "dataset_info.json").write_text(json.dumps({"s": entry}))
    return read_llama_factory(root, split="s", path_map={}, name="mine")


def of_lines(read, rows):
    def written(root):
        lines(root / "s.jsonl", rows)
        return read(root, split="s.jsonl", path_map={}, name="mine")

    return written


def of_parquet(read, rows):
    def written(root):
        write_parquet(root / "s.parquet", rows)
        return read(root, split="s.parquet", path_map={}, name="mine")

    return written


def of_saved(root):
    DatasetDict({"s": Dataset.from_list(easyr1())}).save_to_disk(str(root / "saved"))
    fields = FieldMap("problem", "answer", "images", ())
    away = {"d/": str(root / "d")}
    return read_hub(str(root / "saved"), split="s", fields=fields, revision=None, path_map=away, name="mine")


WAYS = {
    "vlm_r1": of_lines(read_jsonl, vlm_r1()), "flat lines": of_lines(read_jsonl, easyr1()),
    "llama_factory": lambda root: llama_factory(root, sharegpt()), "trl sft": of_lines(read_trl, trl_sft()),
    "trl grpo": of_lines(read_trl, trl_grpo()), "trl parquet": of_parquet(read_trl, trl_grpo()),
    "easyr1": of_parquet(read_rl_parquet, easyr1()), "verl": of_parquet(read_rl_parquet, verl()), "saved": of_saved,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_format_gives_the_same_questions(root, way):
    result = WAYS[way](root)
    assert not [defect for defect in result.defects if defect.action != "warn"]
    choice, closed, opened, several = result.samples
    assert (choice.question, choice.options, choice.answer) == ("Which?", ("Focal (one)", "Diffuse"), "B")
    assert (closed.question, closed.options, closed.answer) == ("is it benign?", ("yes", "no"), "B")
    assert (opened.options, opened.is_open) == (("a gland",), True)
    assert (several.options, several.answer, several.rationale) == (("first", "second"), "A", "They differ.")
    assert [image.path.name for image in several.images] == ["a.jpg", "b.jpg"]
    assert choice.image_id == opened.image_id == "d/a.jpg"
    assert {sample.dataset for sample in result.samples} == {"mine"}
    assert [sample.sample_id.rsplit("/", 1)[1] for sample in result.samples] == ["0", "1", "2", "3"]


def test_a_system_text_is_left_out_and_said_once(root):
    (defect,) = WAYS["llama_factory"](root).defects
    assert (defect.defect, defect.action) == (DefectKind.INSTRUCTION_LEFT_OUT, "warn")


@pytest.mark.parametrize("cell", [jpeg(1), {"bytes": jpeg(1), "path": None}], ids=["bytes", "struct"])
def test_pictures_in_the_rows_are_held_once_and_named_by_their_content(root, cell):
    rows = [{"problem": f"<image>Question {n}?", "answer": "a gland", "images": [cell]} for n in range(2)]
    write_parquet(root / "s.parquet", rows)
    first, second = read_rl_parquet(root, split="s.parquet", path_map={}).samples
    assert first.image_id == second.image_id
    assert first.images[0] is second.images[0]
    assert first.images[0].load().size == (56, 56)


def test_fields_are_found_by_a_dotted_name_and_options_by_a_column_each(root):
    rows = [{"q": {"text": "Which?"}, "a": "y", "c1": "x", "c2": "y", "c3": None, "pic": str(root / "d/a.jpg")}]
    Dataset.from_list(rows).save_to_disk(str(root / "saved"))
    fields = FieldMap("q.text", "a", "pic", ("c1", "c2", "c3"))
    away = {str(root): str(root)}
    (sample,) = read_hub(str(root / "saved"), split="train", fields=fields, revision=None, path_map=away).samples
    assert (sample.options, sample.answer) == (("x", "y"), "B")
    wrong = FieldMap("q.words", "a", "pic", ())
    (defect,) = read_hub(str(root / "saved"), split="train", fields=wrong, revision=None, path_map=away).defects
    assert "no field q.words; the row has q, a, c1, c2, c3, pic" in defect.message


def one(root, **changes):
    row = vlm_r1([(CHOICE, "A", ["d/a.jpg"])])[0] | changes
    lines(root / "s.jsonl", [row])
    return read_jsonl(root, split="s.jsonl", path_map={})


def said(question, answer):
    return {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        (said(f"<image><image>{CHOICE}", "A"), DefectKind.IMAGE_COUNT),
        ({"image": ["d/a.jpg", "d/b.jpg"]}, DefectKind.IMAGE_COUNT),
        ({"image": None}, DefectKind.IMAGE_COUNT),
        ({"image": "gone.jpg"}, DefectKind.IMAGE_MISSING),
        ({"image": "/data/theirs/a.jpg"}, DefectKind.IMAGE_PATH),
        (said(f"<image>{CHOICE}", "The answer is A, as one sees"), DefectKind.GOLD_NOT_AN_OPTION),
        (said(f"<image>{CHOICE}", ""), DefectKind.GOLD_MISSING),
        (said(f"<image>{CHOICE}", "<answer>A</answer><answer>B</answer>"), DefectKind.GOLD_AMBIGUOUS),
        (said("<image>A) x B) y", "A"), DefectKind.MALFORMED_RECORD),
        (said("<image>", "A"), DefectKind.MALFORMED_RECORD),
        ({"conversations": [{"from": "human", "value": "<image>Which?"}] * 2}, DefectKind.MALFORMED_RECORD),
        ({"conversations": [{"from": "robot", "value": "<image>Which?"}]}, DefectKind.MALFORMED_RECORD),
        ({"conversations": "Which?"}, DefectKind.MALFORMED_RECORD),
    ],
)
def test_a_faulty_row_is_a_defect_of_its_own(root, changes, kind):
    result = one(root, **changes)
    assert [(defect.record, defect.defect) for defect in result.defects] == [("s.jsonl/0", kind)]
    assert not result.samples


def test_a_number_is_an_answer_and_an_instruction_behind_the_options_is_left_out_with_a_warning(root):
    (number,) = one(root, **said("<image>How many?", 3)).samples
    assert number.options == ("3",)
    result = one(root, **said(f"<image>{CHOICE}\nAnswer with the letter.", "A"))
    assert result.samples[0].options == ("Focal (one)", "Diffuse")
    assert [defect.defect for defect in result.defects] == [DefectKind.INSTRUCTION_LEFT_OUT]


def test_a_broken_line_is_named_and_the_others_are_read(root):
    lines(root / "s.jsonl", vlm_r1())
    with (root / "s.jsonl").open("a") as file:
        file.write('{"id": 9, "image": "d/a.')
    result = read_jsonl(root, split="s.jsonl", path_map={})
    assert len(result.samples) == len(ROWS)
    (defect,) = result.defects
    assert defect.defect is DefectKind.MALFORMED_FILE
    assert "s.jsonl:5: malformed JSON" in defect.message


@pytest.mark.parametrize(
    ("read", "split", "message"),
    [
        (read_jsonl, "none.jsonl", "no such file"),
        (read_jsonl, "a.pkl", "a pickle can run any code and is not read"),
        (read_jsonl, "a.txt", "neither .jsonl, .json or .parquet"),
        (read_trl, "d", "no folder that datasets saved"),
        (read_rl_parquet, "none.parquet", "no such file"),
        (read_llama_factory, "s", "no such file"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(root, read, split, message):
    with pytest.raises(DatasetError, match=message):
        read(root, split=split, path_map={})


def test_other_entries_of_llama_factory_and_a_hub_id_without_a_commit_say_what_to_give(root):
    (root / "dataset_info.json").write_text(json.dumps({"p": {"hf_hub_url": "a/b"}, "q": {"file_name": "q.json"}}))
    for split, message in {
        "s": "no entry s; it has p, q",
        "p": "p has no file_name",
        "q": "alpaca, its default",
    }.items():
        with pytest.raises(DatasetError, match=message):
            read_llama_factory(root, split=split, path_map={})
    with pytest.raises(DatasetError, match=r"a/b: no such folder\. .*dataset\.revision="):
        read_hub("a/b", split="train", fields=TYPICAL, revision=None, path_map={})
