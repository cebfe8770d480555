"""BCCD: questions on cell counts over 364 photographs of blood smears (640 x 480), from the annotations alone.

The rubric's events where the reasoning is counting:

    image-feature analysis   "The image shows 13 red cells": the true count of the asked cells
    elimination              a wrong option, ruled out by the true count, which lies outside its bounds
    knowledge support        the bounds of the right option, cited as they are: "a count from 13 to 14"
    error: false count       a count that the annotation does not have
    error: wrong bounds      an option cited with bounds that are not its own
    error: contradiction     two counts of one kind of cell, or an option both eliminated and concluded

What a look at the set showed:

* One white cell stands in 344 of 364 photographs: nothing asks for them.
* 15 photographs without any red-cell box show many red cells. Nothing asks for their red cells, and a statement on
  them is neither true nor false. Other fields are boxed sparsely too: the truth is "as annotated". Two boxes of no
  area (00338, 00343) count, as in the totals that the set is known by.
* Photographs 00037 (validation) and 00038 (train) show one field twice. The official lists are kept as they are.

Text alone gives nothing away: `platelets` and `red_cells` keep equally many photographs per option in every split, and
`comparison` asks two photographs the same question with opposite answers. `BccdReport` counts what is left out.

Source: Shenggan/BCCD_Dataset on GitHub, MIT licence.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathvlm_r1.data.bccd_questions import (
    PLATELET_BINS,
    PLATELETS,
    RED_CELLS,
    Cell,
    CountBin,
    Draft,
    balanced,
    paired,
    quartile_bins,
    seeded,
    to_sample,
)
from pathvlm_r1.data.errors import DatasetError, Faults
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.rationale import Style
from pathvlm_r1.data.sample import Sample
from pathvlm_r1.data.voc import Photograph, read_folder

OFFICIAL_LISTS = {"sft": "train", "rl": "train", "validation": "val", "test": "test"}
CLASSES = ("RBC", "WBC", "Platelets")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TypeReport:
    """What became of a split's photographs under one question type."""

    question_type: str
    asked: int
    left_out: Mapping[str, int]  # reason -> photographs


@dataclass(frozen=True)
class BccdReport:
    """How many questions a split has, and how many photographs each type leaves out and why."""

    split: str
    photographs: int
    types: tuple[TypeReport, ...]

    def __str__(self) -> str:
        parts = [
            ", ".join([f"{kind.question_type} {kind.asked} asked", *(f"{n} {why}" for why, n in kind.left_out.items())])
            for kind in self.types
        ]
        return f"bccd {self.split}, {self.photographs} photographs: {'; '.join(parts)}"


@dataclass(frozen=True)
class BccdSplit:
    """The questions of one split in the order of their ids, and the account of what was left out."""

    samples: list[Sample]
    report: BccdReport


def load_bccd(root: Path, *, split: str, seed: int, style_shares: Mapping[str, float], rl_share: float) -> list[Sample]:
    """The questions of one split, whose photographs are whole by their first and last bytes. Arguments as `read_bccd`.

    Raises:
        DatasetError: as `read_bccd`; or photographs that are cut off, all of them together.
        ValueError: as `read_bccd`.
    """
    samples = read_bccd(root, split=split, seed=seed, style_shares=style_shares, rl_share=rl_share).samples
    faults = Faults()
    images = [image for sample in samples for image in sample.images if isinstance(image, FileImage)]
    for photograph in dict.fromkeys(images):
        with faults.gathered():
            photograph.check()
    faults.raise_any(f"dataset.root {root}")
    return samples


def read_bccd(root: Path, *, split: str, seed: int, style_shares: Mapping[str, float], rl_share: float) -> BccdSplit:
    """The questions of one split with the account of what was left out, which is logged; no picture is decoded.

    Args:
        root: the inner BCCD folder, with JPEGImages, Annotations and ImageSets.
        split: "sft" and "rl" share the official train photographs; "validation" and "test" are the official lists.
        seed: divides train, chooses what balancing keeps, and draws thresholds, option orders and styles. It belongs
            to the dataset: runs that are compared have the same.
        style_shares: how often each `Style` is drawn; they sum to 1.
        rl_share: part of the train photographs that "rl" gets, between 0 and 1.

    Raises:
        DatasetError: the folder is missing or at fault, all faults together, or too small to be balanced.
        ValueError: an argument out of its range.
    """
    _check_arguments(split, seed, style_shares, rl_share)
    if not (root / "ImageSets" / "Main").is_dir():
        raise DatasetError(
            f"dataset.root {root}: no BCCD folder (ImageSets/Main is missing). Clone the dataset repository "
            "https://github.com/Shenggan/BCCD_Dataset and set dataset.root to its inner BCCD folder."
        )
    lists = read_folder(root, lists=("train", "val", "test"), classes=CLASSES)
    bins = quartile_bins(lists["train"])
    photographs = lists[OFFICIAL_LISTS[split]]
    if OFFICIAL_LISTS[split] == "train":
        in_rl = _drawn_for_rl(photographs, bins, seed=seed, rl_share=rl_share)
        photographs = tuple(one for one in photographs if (one.image_id in in_rl) == (split == "rl"))
    try:
        drafts = _drafts(photographs, bins, seed)
    except DatasetError as error:
        raise DatasetError(f"dataset.root {root}, split {split!r}: {error}") from error
    samples = [to_sample(draft, seed=seed, style_shares=style_shares) for draft in drafts]
    report = _report(split, photographs, drafts)
    _log.info("%s", report)
    return BccdSplit(samples=samples, report=report)


def _check_arguments(split: str, seed: int, style_shares: Mapping[str, float], rl_share: float) -> None:
    if split not in OFFICIAL_LISTS:
        raise ValueError(f"split is {split!r}: choose one of {', '.join(OFFICIAL_LISTS)}")
    if seed < 0:
        raise ValueError(f"seed is {seed}: 0 or more")
    unknown = set(style_shares) - set(Style)
    shares = style_shares.values()
    if unknown or any(share < 0 for share in shares) or not math.isclose(sum(shares), 1.0, abs_tol=1e-8):
        raise ValueError(
            f"style_shares is {dict(style_shares)}: give {', '.join(Style)} shares of 0 or more that sum to 1"
        )
    if not 0 < rl_share < 1:
        raise ValueError(f"rl_share is {rl_share}: between 0 and 1, both excluded, or one of the splits is empty")


def _drawn_for_rl(
    photographs: Sequence[Photograph], bins: tuple[CountBin, ...], *, seed: int, rl_share: float
) -> frozenset[str]:
    """Ids of a systematic sample over both answers: rare ones are divided by the share as frequent ones are."""

    def answers(photograph: Photograph) -> tuple[int, int]:
        platelets = _index(PLATELET_BINS, PLATELETS.count(photograph))
        red_cells = _index(bins, RED_CELLS.count(photograph))
        return platelets, red_cells * (-1) ** platelets  # to and fro, or each half could get the same bins every time

    shuffled = [photographs[index] for index in seeded(seed, "division").permutation(len(photographs))]
    ranked = sorted(shuffled, key=answers)
    return frozenset(
        photograph.image_id
        for rank, photograph in enumerate(ranked)
        if math.floor((rank + 1) * rl_share) > math.floor(rank * rl_share)
    )


def _index(bins: tuple[CountBin, ...], count: int) -> int:
    return next(index for index, option in enumerate(bins) if option.holds(count))


def _drafts(photographs: Sequence[Photograph], bins: tuple[CountBin, ...], seed: int) -> list[Draft]:
    """The questions of all three types, in the order of their ids."""

    def asking(question_type: str, cell: Cell, options: tuple[CountBin, ...]) -> list[Draft]:
        question = f"How many {cell.plural} does this blood smear show?"
        known = [one for one in photographs if cell.is_known(one)]
        return balanced([Draft(one, question_type, question, cell, options) for one in known], options, seed)

    drafts = [
        *asking("platelets", PLATELETS, PLATELET_BINS),
        *asking("red_cells", RED_CELLS, bins),
        *paired([one for one in photographs if RED_CELLS.is_known(one)], seed),
    ]
    return sorted(drafts, key=lambda draft: draft.sample_id)


def _report(split: str, photographs: Sequence[Photograph], drafts: Sequence[Draft]) -> BccdReport:
    types = []
    for question_type, cell in {"platelets": PLATELETS, "red_cells": RED_CELLS, "comparison": RED_CELLS}.items():
        asked = sum(draft.question_type == question_type for draft in drafts)
        unknown = sum(not cell.is_known(one) for one in photographs)
        left_out = {
            f"without an annotated {cell.name}": unknown,
            "left out so that the answers are balanced": len(photographs) - unknown - asked,
        }
        types.append(TypeReport(question_type, asked, {why: count for why, count in left_out.items() if count}))
    return BccdReport(split, len(photographs), tuple(types))
