"""BCCD: what its questions promise, on the real folder where BCCD_ROOT names it and on a drawn one elsewhere."""

from __future__ import annotations

import logging
import os
import pickle
import re
from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest
from drawn_bccd import UNBOXED, draw_bccd

from pathvlm_r1.data.bccd import OFFICIAL_LISTS, BccdSplit, load_bccd, read_bccd
from pathvlm_r1.data.rationale import read
from pathvlm_r1.data.sample import Sample
from pathvlm_r1.data.text_floor import text_only_floor
from pathvlm_r1.data.voc import read_folder

SHARES = {"terse": 0.4, "partial": 0.3, "complete": 0.3}
COMPLETE = {"terse": 0.0, "partial": 0.0, "complete": 1.0}
NUMBERS = {"no platelet": (0, 0), "one platelet": (1, 1), "two platelets": (2, 2), "three or more platelets": (3, 99)}
PATTERNS = {
    r"at most (\d+) red cells?": lambda a: (0, a),
    r"more than (\d+) red cells?": lambda a: (a + 1, 99),
    r"(\d+) or more red cells": lambda a: (a, 99),
    r"exactly (\d+) red cells?": lambda a: (a, a),
    r"(\d+) to (\d+) red cells": lambda a, b: (a, b),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_bccd(tmp_path_factory.mktemp("bccd"))


@pytest.fixture(scope="module")
def root(bccd_root: Path) -> Path:
    return bccd_root


@pytest.fixture(scope="module", params=[0, 7])
def splits(root: Path, request: pytest.FixtureRequest) -> dict[str, BccdSplit]:
    settings = {"seed": request.param, "style_shares": COMPLETE, "rl_share": 0.5}
    return {split: read_bccd(root, split=split, **settings) for split in OFFICIAL_LISTS}


def load(root: Path, split: str = "sft", **changed: object) -> list[Sample]:
    settings = {"seed": 0, "style_shares": SHARES, "rl_share": 0.5} | changed
    return load_bccd(root, split=split, **settings)


def of_type(split: BccdSplit, question_type: str) -> list[Sample]:
    return [sample for sample in split.samples if sample.question_type == question_type]


def bounds(option: str) -> tuple[int, int]:
    """The bounds that a reader takes from the text of an option."""
    for pattern, meaning in PATTERNS.items():
        if match := re.fullmatch(pattern, option):
            return meaning(*map(int, match.groups()))
    return NUMBERS[option]


def annotated(root: Path, sample: Sample) -> int:
    name = "Platelets" if sample.question_type == "platelets" else "RBC"
    return (root / "Annotations" / f"{sample.image_id}.xml").read_text().count(f"<name>{name}</name>")


@pytest.mark.medium
def test_no_photograph_is_in_two_splits(splits):
    images = {name: {sample.image_id for sample in split.samples} for name, split in splits.items()}
    assert all(images[one].isdisjoint(images[other]) for one, other in permutations(images, 2))


@pytest.mark.medium
def test_sft_and_rl_share_the_official_train_list_and_the_others_are_official(root, splits):
    official = read_folder(root, lists=("train", "val", "test"), classes=("RBC", "WBC", "Platelets"))
    assert abs(splits["sft"].report.photographs - splits["rl"].report.photographs) <= 1
    for name, split in splits.items():
        listed = {photograph.image_id for photograph in official[OFFICIAL_LISTS[name]]}
        assert {sample.image_id for sample in split.samples} <= listed
    assert splits["sft"].report.photographs + splits["rl"].report.photographs == len(official["train"])


def test_the_rl_share_sets_the_part_of_rl(drawn):
    sizes = [
        read_bccd(drawn, split="rl", seed=0, style_shares=SHARES, rl_share=share).report.photographs
        for share in (0.3, 0.5, 0.7)
    ]
    assert sizes == [7, 12, 16]


def test_exactly_one_option_holds_the_annotated_count_and_it_is_the_answer(root, splits):
    for sample in (sample for split in splits.values() for sample in split.samples):
        count = annotated(root, sample)
        holding = [
            letter
            for letter, option in zip(sample.letters, sample.options, strict=True)
            if bounds(option)[0] <= count <= bounds(option)[1]
        ]
        assert holding == [sample.answer], sample.sample_id


def test_letters_and_option_texts_are_balanced_in_every_split_and_type(splits):
    for split in splits.values():
        for question_type in ("platelets", "red_cells"):
            samples = of_type(split, question_type)
            letters = Counter(sample.answer for sample in samples)
            texts = Counter(sample.option(sample.answer) for sample in samples)
            both = Counter((sample.answer, sample.option(sample.answer)) for sample in samples)
            assert len(samples) > 0
            assert max(letters.values()) - min(letters[letter] for letter in "ABCD") <= 1
            assert len(texts) == 4
            assert len(set(texts.values())) == 1
            assert max(both.values()) - min(both[letter, text] for letter in "ABCD" for text in texts) <= 1


def test_every_comparison_text_has_as_many_photographs_for_either_answer(splits):
    for split in splits.values():
        answers: dict[tuple[str, ...], Counter[str]] = {}
        for sample in of_type(split, "comparison"):
            answers.setdefault((sample.question, *sample.options), Counter())[sample.answer] += 1
        assert answers
        assert all(counter["A"] == counter["B"] for counter in answers.values())
    first = {sample.options[0][:4] for split in splits.values() for sample in of_type(split, "comparison")}
    assert first == {"at m", "more"}  # either option comes first


def test_rules_that_read_the_text_alone_are_at_chance(splits):
    for train, test in permutations(splits, 2):
        floor = text_only_floor(splits[train].samples, splits[test].samples)
        assert floor.option_text == pytest.approx(floor.chance, abs=1e-12)  # balanced exactly, not just on average
        letters_left = 3 / floor.questions  # letters over a number of questions that four does not divide
        assert abs(floor.majority_letter - floor.chance) <= letters_left


def test_a_complete_rationale_reads_back_as_true_and_to_the_point(splits):
    for sample in (sample for split in splits.values() for sample in split.samples):
        reading, findings = read(sample.rationale), sample.findings
        answer = sample.option(sample.answer)
        assert findings is not None
        assert len(reading.seen) == 1
        assert set(reading.seen) <= findings.shown & findings.relevant
        assert reading.cited == ((answer, findings.knowledge[answer]),)
        assert len(reading.excluded) == min(2, len(sample.options) - 1)
        for option, reason in reading.excluded:
            assert option != answer
            assert reason in findings.shown & findings.options[sample.options.index(option)].excluded_by
        assert reading.concluded == (answer,)


def test_the_true_count_excludes_every_option_but_the_answer(splits):
    for sample in (sample for split in splits.values() for sample in split.samples):
        findings = sample.findings
        assert findings is not None
        assert findings.shown.isdisjoint(findings.absent)
        assert findings.relevant <= findings.shown | findings.absent
        assert set(findings.knowledge) == set(sample.options)
        for letter, facts in zip(sample.letters, findings.options, strict=True):
            assert bool(facts.excluded_by & findings.shown) == (letter != sample.answer)
            assert facts.subjects == (sample.option(letter),)


def test_phrases_are_lower_case_and_keep_clear_of_the_grammar(splits):
    for sample in splits["test"].samples:
        assert sample.findings is not None
        for phrase in {*sample.options, *sample.findings.relevant, *sample.findings.knowledge.values()}:
            assert phrase == phrase.lower()
            assert not re.search(r", | and |\.| means | is excluded by ", phrase)


def test_red_cells_without_a_box_are_not_asked_for_and_not_judged(drawn):
    samples = [sample for split in ("sft", "rl") for sample in load(drawn, split) if sample.image_id == UNBOXED]
    assert [sample.question_type for sample in samples] == ["platelets"]
    findings = samples[0].findings
    assert findings is not None
    assert not [phrase for phrase in findings.shown | findings.absent if "red cell" in phrase]


def test_styles_are_drawn_by_their_shares(drawn):
    assert all(sample.rationale.startswith("This is ") for sample in load(drawn, style_shares={"terse": 1.0}))
    sentences = [sample.rationale.count(".") for split in OFFICIAL_LISTS for sample in load(drawn, split)]
    for fewest, most, style in ((1, 1, "terse"), (2, 2, "partial"), (4, 5, "complete")):
        share = sum(fewest <= count <= most for count in sentences) / len(sentences)
        assert abs(share - SHARES[style]) < 4 * (0.25 / len(sentences)) ** 0.5  # four standard errors


def test_the_same_seed_gives_the_same_questions_and_another_seed_others(drawn):
    assert load(drawn) == load(drawn)
    assert load(drawn) != load(drawn, seed=1)


@pytest.mark.medium
def test_samples_have_unique_ids_and_survive_pickling(splits):
    samples = [sample for split in splits.values() for sample in split.samples]
    assert len({sample.sample_id for sample in samples}) == len(samples)
    assert all(sample.sample_id == f"{sample.image_id}/{sample.question_type}" for sample in samples)
    assert pickle.loads(pickle.dumps(samples)) == samples  # noqa: S301 (our own bytes)
    assert samples[0].images[0].load().mode == "RGB"


@pytest.mark.medium
def test_the_report_accounts_for_every_photograph_and_is_logged(root, splits, caplog):
    for split in splits.values():
        for kind in split.report.types:
            assert kind.asked == len(of_type(split, kind.question_type))
            assert kind.asked + sum(kind.left_out.values()) == split.report.photographs
    with caplog.at_level(logging.INFO):
        load(root, "test")
    assert "bccd test" in caplog.text
    assert "left out so that the answers are balanced" in caplog.text


@pytest.mark.medium
@pytest.mark.skipif("BCCD_ROOT" not in os.environ, reason="BCCD_ROOT does not name the real BCCD folder")
def test_the_real_folder_has_its_known_counts_and_quartiles():
    root = Path(os.environ["BCCD_ROOT"])
    lists = read_folder(root, lists=("train", "val", "test"), classes=("RBC", "WBC", "Platelets"))
    totals: Counter[str] = Counter()
    for photograph in (photograph for members in lists.values() for photograph in members):
        totals.update(photograph.counts)
    assert {name: len(members) for name, members in lists.items()} == {"train": 205, "val": 87, "test": 72}
    assert totals == {"RBC": 4155, "WBC": 372, "Platelets": 361}
    options = {option for sample in load(root) if sample.question_type == "red_cells" for option in sample.options}
    assert options == {"at most 10 red cells", "11 to 12 red cells", "13 to 14 red cells", "15 or more red cells"}
    assert Counter(sample.question_type for sample in load(root, "test")) == {
        "platelets": 28, "red_cells": 48, "comparison": 68,
    }  # fmt: skip
