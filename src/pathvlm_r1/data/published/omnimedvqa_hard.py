"""OmniMedVQA's four out-of-domain sets asked anew, so that the options' texts say nothing.

Every picture is asked once, with all classes of its set as options. Each class is right equally often (pictures are
drawn from the larger classes), and so is each letter, as far as whole numbers go: a rule that knows all texts and all
frequencies scores at chance. The class is that of the picture's folder (Chest CT, OCT, diabetic retinopathy) or of its
diagnosis question (ISIC2020).

Source of the pictures: as `published/omnimedvqa.py`; the questions are this project's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.published.omnimedvqa import OMNIMEDVQA_SPLITS, omnimedvqa_folder, omnimedvqa_records
from pathvlm_r1.data.records import ImageFolder, Reading, as_object, normalised, text_of
from pathvlm_r1.data.sample import LETTERS, Sample


@dataclass(frozen=True)
class ClassQuestion:
    """How the pictures of a set are asked about."""

    question: str
    classes: Mapping[str, str]  # beginning of a folder's name, or a gold text, normalised -> the class as an option
    is_in_path: bool


CLASS_QUESTIONS = {
    "Chest CT Scan": ClassQuestion(
        "Which finding does this chest CT image show?",
        {
            "adenocarcinoma": "Adenocarcinoma", "large cell carcinoma": "Large cell carcinoma",
            "squamous cell carcinoma": "Squamous cell carcinoma", "normal": "No cancer",
        },
        is_in_path=True,
    ),
    "ISIC2020": ClassQuestion(
        "Is the lesion in this dermoscopic image benign or malignant?",
        {"benign image": "Benign", "benign": "Benign", "malignant image": "Malignant", "malignant": "Malignant"},
        is_in_path=False,
    ),
    "Retinal OCT-C8": ClassQuestion(
        "Which condition does this optical coherence tomography image of the retina show?",
        {
            "amd": "Age-related macular degeneration", "cnv": "Choroidal neovascularization",
            "csr": "Central serous retinopathy", "dme": "Diabetic macular edema", "drusen": "Drusen",
            "dr": "Diabetic retinopathy", "mh": "Macular hole", "normal": "Healthy retina",
        },
        is_in_path=True,
    ),
    "Diabetic Retinopathy": ClassQuestion(
        "Which grade of diabetic retinopathy does this fundus photograph show?",
        {
            "0": "No diabetic retinopathy", "1": "Mild nonproliferative retinopathy",
            "2": "Moderate nonproliferative retinopathy", "3": "Severe nonproliferative retinopathy",
            "4": "Proliferative retinopathy",
        },
        is_in_path=True,
    ),
}  # fmt: skip


def read_omnimedvqa_hard(
    root: Path, *, split: str, sources: Sequence[str], path_map: Mapping[str, str], seed: int,
    name: str = "omnimedvqa_hard",
) -> ReadResult:  # fmt: skip
    """One question a picture; `question_type` is the set. What is left out, and why, stands among the defects.

    Args:
        root: as `read_omnimedvqa`.
        split: "test", the only one.
        sources: of CLASS_QUESTIONS.
        path_map: beginnings of picture paths -> their place here.
        seed: of the pictures drawn from the larger classes, and of the order of the options.
        name: of the dataset in every table.

    Raises:
        DatasetError: as `read_omnimedvqa`, or a set whose classes are not known here.
    """
    if split not in OMNIMEDVQA_SPLITS:
        raise DatasetError(f"OmniMedVQA has no split {split!r}: it has one, {OMNIMEDVQA_SPLITS[0]}")
    unknown = [source for source in sources if source not in CLASS_QUESTIONS]
    if unknown:
        known = ", ".join(CLASS_QUESTIONS)
        raise DatasetError(f"dataset.sources: the classes of {', '.join(unknown)} are not known; known are {known}")
    images, reading = ImageFolder(omnimedvqa_folder(root), path_map), Reading()
    for source in sources:
        by_class = _pictures(root, source, images, reading)
        random = np.random.default_rng((seed, list(CLASS_QUESTIONS).index(source)))
        for sample in _balanced(source, by_class, reading, random, name):
            with reading.record(sample.sample_id, root):
                reading.add(sample)
    return reading.result


def _pictures(root: Path, source: str, images: ImageFolder, reading: Reading) -> dict[str, dict[str, FileImage]]:
    """Class -> path as recorded -> picture; every picture once, in the order of the records."""
    asking = CLASS_QUESTIONS[source]
    found: dict[str, dict[str, FileImage]] = {name: {} for name in dict.fromkeys(asking.classes.values())}
    class_of: dict[str, str | None] = {}
    records: dict[str, tuple[str, Path]] = {}
    for record_id, file, content in omnimedvqa_records(root, [source]):
        with reading.record(record_id, file):
            record = as_object(content)
            path = text_of(record, "image_path")
            records.setdefault(path, (record_id, file))
            class_of[path] = class_of.get(path) or _class(asking, record, path)
    for path, name in class_of.items():
        with reading.record(*records[path]):
            if name is None:
                reading.warn(DefectKind.CLASS_UNKNOWN, f"the class of {path} is not known; left out", "skip")
            else:
                found[name][path] = images.find(path)
    return found


def _class(asking: ClassQuestion, record: Mapping[str, Any], path: str) -> str | None:
    if not asking.is_in_path:
        return asking.classes.get(normalised(str(record.get("gt_answer"))))
    for folder in reversed(PurePosixPath(path).parts[:-1]):
        words = normalised(folder.replace(".", " ").replace("_", " ").replace("-", " "))
        for beginning, name in asking.classes.items():
            if words == beginning or words.startswith(f"{beginning} "):
                return name
    return None


def _balanced(
    source: str,
    by_class: Mapping[str, Mapping[str, FileImage]],
    reading: Reading,
    random: np.random.Generator,
    name: str,
) -> list[Sample]:
    """As many pictures of each class as the smallest has, every letter right equally often."""
    classes = list(by_class)
    empty = [one for one in classes if not by_class[one]]
    if empty:
        raise DatasetError(
            f"{source}: no picture of {', '.join(empty)}: classes cannot be balanced; fetch all of the set"
        )
    size = min(map(len, by_class.values()))
    samples = []
    for start, right in enumerate(classes):
        paths = list(by_class[right])
        drawn = {paths[index] for index in random.permutation(len(paths))[:size]}
        for path in (path for path in paths if path not in drawn):
            with reading.record(path, source):
                message = f"{right} has {len(paths)} pictures, {size} are asked about as of every class"
                reading.warn(DefectKind.LEFT_OUT_TO_BALANCE, message, "skip")
        for index, path in enumerate(path for path in paths if path in drawn):
            others = [classes[other] for other in random.permutation(len(classes)) if classes[other] != right]
            place = (start + index) % len(classes)
            samples.append(
                Sample(
                    sample_id=f"{source}/{path}", image_id=path, dataset=name, question_type=source,
                    question=CLASS_QUESTIONS[source].question, options=(*others[:place], right, *others[place:]),
                    answer=LETTERS[place], rationale="", images=(by_class[right][path],),
                )
            )  # fmt: skip
    return samples
