"""Writes small folders in the layouts of published datasets: their schemas, with records and pictures of our own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image

PATTERNS = ("Whorled", "Nested (Zellballen)", "Cords", "Sheets", "Papillary; with a core")
OCT_CLASSES = ("AMD", "CNV", "CSR", "DME", "DR", "DRUSEN", "MH", "NORMAL")
CT_FOLDERS = (
    "adenocarcinoma_left.lower.lobe_T2_N0_M0_Ib", "large.cell.carcinoma", "normal",
    "squamous.cell.carcinoma_left.hilum_T1_N2_M0_IIIa",
)  # fmt: skip


def draw(path: Path, seed: int) -> None:
    """A small picture that no other seed gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (56, 56), (40 + 13 * seed % 200, 90, 200 - 7 * seed % 150))
    picture.putpixel((seed % 56, seed // 56 % 56), (255, 255, 255))
    picture.save(path)


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def pathmmu_record(number: int, source: str, split: str, seed: int) -> dict[str, Any]:
    """In the exact form of data.json, with the extra keys of its source."""
    count = {"Atlas": 5, "PathCLS": 5}.get(source, 4)
    right = seed % count
    options = [f"{letter}) {text}" for letter, text in zip("ABCDE", PATTERNS[:count], strict=False)]
    record = {
        "No": number,
        "img": hashlib.sha256(f"{source}{split}{seed // 2}".encode()).hexdigest()
        + (".png" if seed % 4 < 2 else ".jpg"),
        "question": f"Which growth pattern is number {number} of its picture?",
        "options": options,
        "answer": options[right],
        "explanation": f"The cells lie in a pattern that is called {PATTERNS[right].lower()}.",
    }
    if source in ("Atlas", "PathCLS"):
        record["source_img"] = "books_set/a.png"
    if source == "SocialPath":
        record |= {"tw_id": "1", "img_position": 1, "ref_web": "https://example.org"}
    return record


def write_pathmmu(root: Path, *, questions: int = 8) -> Path:
    """`questions` of each source in each split; two questions a picture; one gold of SocialPath is a bare letter."""
    content: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for source in ("PubMed", "EduContent", "SocialPath", "Atlas", "PathCLS"):
        content[source] = {
            split: [pathmmu_record(number, source, split, number) for number in range(questions)]
            for split in ("val", "test", "test_tiny")
        }
    bare = content["SocialPath"]["test"][0]
    bare["answer"] = bare["answer"][0]
    for records in (records for splits in content.values() for records in splits.values()):
        for record in records:
            draw(root / "data" / "images" / record["img"], record["No"])
    write_json(root / "data" / "data.json", content)
    return root


def omnimedvqa_record(source: str, number: int, path: str, *asked: Any) -> dict[str, Any]:
    """In the exact form of a set's list; `asked` is type, gold text and the other options' texts."""
    kind, answer, others = asked
    options = [*others[: number % (len(others) + 1)], answer, *others[number % (len(others) + 1) :]]
    return {
        "dataset": source, "question_id": f"{source}_{number:04d}", "question_type": kind,
        "question": "What is the modality of this image?" if kind == "Modality Recognition" else "What is shown?",
        "gt_answer": answer, "image_path": path,
        **{f"option_{letter}": text for letter, text in zip("ABCD", options, strict=False)},
        "modality_type": "OCT (Optical Coherence Tomography",
    }  # fmt: skip


def write_omnimedvqa(root: Path) -> Path:
    """The four out-of-domain sets, small, their classes unevenly many, with the published flaws: one record has
    `modality` for `modality_type`, and file names stand in several folders."""
    sets: dict[str, list[dict[str, Any]]] = {}
    paths = {
        "Retinal OCT-C8": [
            (f"val/{name}/d_{i}.jpg", name) for k, name in enumerate(OCT_CLASSES) for i in range(3 + k % 2)
        ],
        "Chest CT Scan": [(f"test/{name}/{i}.png", name) for k, name in enumerate(CT_FOLDERS) for i in range(4 + k)],
        "Diabetic Retinopathy": [
            (f"train/{grade}/{i}.png", str(grade)) for grade in range(5) for i in range(9 - grade)
        ],
    }
    for source, listed in paths.items():
        sets[source] = [
            omnimedvqa_record(
                source,
                number,
                f"Images/{source}/{path}",
                "Disease Diagnosis",
                f"Finding {name}",
                ["Glaucoma", "Cataract"],
            )
            for number, (path, name) in enumerate(listed)
        ]
    sets["ISIC2020"] = [
        omnimedvqa_record(
            "ISIC2020", number, f"Images/ISIC2020/ISIC_{number:07d}.jpg", *(
                ("Modality Recognition", "Dermoscopy", ["CT", "MRI", "X-ray"]) if number >= 14
                else ("Disease Diagnosis", "Malignant", ["Benign"]) if number < 4
                else ("Disease Diagnosis", "Benign image.", ["Malignant"])
            ),
        )
        for number in range(17)
    ]  # fmt: skip
    flawed = sets["Chest CT Scan"][0]
    flawed["modality"] = flawed.pop("modality_type")
    for name, records in sets.items():
        write_json(root / "QA_information" / "Open-access" / f"{name}.json", records)
        for number, path in enumerate(dict.fromkeys(record["image_path"] for record in records)):
            draw(root / path, number)
    return root
