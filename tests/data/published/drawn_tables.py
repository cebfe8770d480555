"""Writes small files in the forms of PathVQA, VQA-RAD, SLAKE, PMC-VQA and MedXpertQA, with content of our own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from drawn_sets import draw, write_json
from PIL import Image
from pyarrow import parquet

QUESTIONS = (
    ("is fibrosis present?", "no"), ("What is shown?", "normal tissue"), ("is the capsule intact?", "Yes"),
    ("where are the cells?", "in the   stroma"),
)  # fmt: skip
CHOICES = (" A:Diffuse ", " B:Focal (one) ", " C:Both A and B ", " D:None ")


def jpeg(seed: int) -> bytes:
    """The bytes of a small picture that no other seed gives."""
    buffer = io.BytesIO()
    Image.new("RGB", (56, 56), (40 + 29 * seed % 200, 90, 200 - 13 * seed % 150)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_parquet(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(list(rows)), file, row_group_size=3)
    return file


def hub_rows(first: int, count: int) -> list[dict[str, Any]]:
    """Rows of PathVQA's form: two questions a picture, each with the picture's bytes."""
    return [
        {
            "image": {"bytes": jpeg(first + row // 2), "path": f"img_{row}.jpg"},
            "question": QUESTIONS[row % 4][0], "answer": QUESTIONS[row % 4][1],
        }
        for row in range(count)
    ]  # fmt: skip


def write_pathvqa(root: Path, splits: Sequence[str] = ("train", "validation", "test")) -> Path:
    """Two files of train, one of each other split; no picture in two splits."""
    for place, split in enumerate(splits):
        for part in range(2 if split == "train" else 1):
            name = f"{split}-0000{part}-of-0000{2 if split == 'train' else 1}-0123abcd.parquet"
            write_parquet(root / "data" / name, hub_rows(100 * place + 50 * part, 8))
    return root


def slake_record(number: int, language: str, question: str, answer: str) -> dict[str, Any]:
    """In the exact form of the JSON lists."""
    return {
        "img_id": number // 2, "img_name": f"xmlab{number // 2}/source.jpg", "question": question, "answer": answer,
        "q_lang": language, "location": "Abdomen", "modality": "CT",
        "answer_type": "CLOSED" if answer in ("Yes", "No", "左") else "OPEN", "base_type": "vqa",
        "content_type": "Organ", "triple": ["vhead", "_", "_"], "qid": number,
    }  # fmt: skip


def write_slake(root: Path, validation: str = "validation.json") -> Path:
    """English and Chinese questions; every picture is called source.jpg."""
    asked = [
        ("en", "Which organ?", "Liver"), ("en", "Is it a CT?", "Yes"), ("zh", "这是什么器官?", "肝"),
        ("zh", "是CT吗?", "是"),
        ("en", "Left or right?", "left"), ("en", "Is it an MRI?", "No"),
    ]  # fmt: skip
    for place, file in enumerate(("train.json", validation, "test.json")):
        records = [slake_record(100 * place + number, *one) for number, one in enumerate(asked)]
        write_json(root / file, records)
        for record in records:
            draw(root / "imgs" / record["img_name"], record["img_id"])
    return root


def write_pmc_vqa(root: Path) -> Path:
    """Both versions, with the figures of each."""
    first, second = [], []
    for number in range(6):
        letter = "ABCD"[number % 4]
        text = CHOICES[number % 4].strip().removeprefix(f"{letter}:")
        figure = f"PMC1_F{number}.jpg"
        first.append([figure, f"What is shown in figure {number}?", text, *CHOICES, letter])
        second.append([number, figure, "Caption, with the answer", f"What, in {number}?", *CHOICES, letter, "test"])
        for folder in ("images", "figures"):
            draw(root / folder / figure, number)
    headings = [f"Choice {letter}" for letter in "ABCD"]
    for split in ("train", "test", "test_clean"):
        _write_csv(root / f"{split}.csv", ["Figure_path", "Question", "Answer", *headings, "Answer_label"], first)
    for split in ("train_2", "test_2"):
        heading = ["index", "Figure_path", "Caption", "Question", *headings, "Answer", "split"]
        _write_csv(root / f"{split}.csv", heading, second)
    return root


def _write_csv(file: Path, heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([heading, *rows])


def medxpertqa_record(number: int, pictures: int) -> dict[str, Any]:
    """In the exact form of the hub's lines: the question ends with its choices."""
    options = dict(zip("ABCDE", ("Lupus", "Gout", "Sepsis (late)", "Rickets", "None"), strict=True))
    written = " ".join(f"({letter}) {text}" for letter, text in options.items())
    return {
        "id": f"MM-{number}", "question": f"Which fits images A and B, number {number}?\nAnswer Choices: {written}",
        "options": options, "label": "ABCDE"[number % 5],
        "images": [f"MM-{number}-{'abcdef'[place]}.{'JPG' if place == 1 else 'jpeg'}" for place in range(pictures)],
        "medical_task": "Diagnosis", "body_system": "Skeletal", "question_type": "Reasoning",
    }  # fmt: skip


def write_medxpertqa(root: Path) -> Path:
    """Questions with two to six pictures."""
    for split, numbers in (("dev", range(100, 102)), ("test", range(5))):
        records = [medxpertqa_record(number, 2 + number % 5) for number in numbers]
        (root / "MM").mkdir(parents=True, exist_ok=True)
        (root / "MM" / f"{split}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
        for record in records:
            for place, picture in enumerate(record["images"]):
                draw(root / "images" / picture, 7 * int(record["id"][3:]) + place)
    return root
