"""Sensitivity and balanced accuracy against torchmetrics, and where there are no classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluated_runs import answered, evaluated_run
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_recall

from pathvlm_r1.evaluation import read_summary, write_report
from pathvlm_r1.evaluation.classes import class_rows

CLASSES = ["benign", "malignant", "normal"]
SHARES = [0.7, 0.2, 0.1]
PLACE = {"stage": "sft", "dataset": "phantom", "split": "test"}


def classified(n=200, *, seed=0, shares=SHARES):
    """Predictions with options in any order, and of each the right and the chosen class."""
    random = np.random.default_rng(seed)
    predictions, right, chosen = [], [], []
    for prediction in answered("sft", seed, n=n, question_type="lesion"):
        options = [CLASSES[place] for place in random.permutation(3)]
        truth, said = random.choice(3, p=shares), random.choice(3)
        reference, answer = ("ABC"[options.index(CLASSES[one])] for one in (truth, said))
        predictions.append(
            replace(prediction, options=options, reference=reference, answer=answer, is_correct=reference == answer)
        )
        right.append(truth)
        chosen.append(said)
    return predictions, torch.tensor(right), torch.tensor(chosen)


def test_sensitivity_and_balanced_accuracy_are_those_of_torchmetrics():
    predictions, right, chosen = classified()
    *of_classes, balanced = class_rows(predictions, **PLACE, seed=0, replicates=200)
    assert [(row.label, row.n) for row in of_classes] == [
        (name, int((right == place).sum())) for place, name in enumerate(CLASSES)
    ]
    recalls = multiclass_recall(chosen, right, num_classes=3, average="none")
    assert [row.accuracy for row in of_classes] == pytest.approx(recalls.tolist())
    assert balanced.label is None
    assert balanced.accuracy == pytest.approx(float(multiclass_accuracy(chosen, right, num_classes=3, average="macro")))
    assert all(row.ci_low <= row.accuracy <= row.ci_high for row in (*of_classes, balanced))
    assert abs(balanced.accuracy - float((right == chosen).float().mean())) > 0.005, "plain accuracy would be caught"


def test_who_always_says_the_frequent_class_is_at_chance_in_balanced_accuracy():
    predictions, _, _ = classified()
    always = [
        replace(p, answer="ABC"[p.options.index("benign")], is_correct=p.options["ABC".index(p.reference)] == "benign")
        for p in predictions
    ]
    *of_classes, balanced = class_rows(always, **PLACE, seed=0, replicates=200)
    assert [row.accuracy for row in of_classes] == [1.0, 0.0, 0.0]
    assert balanced.accuracy == pytest.approx(1 / 3)
    assert sum(p.is_correct for p in always) / len(always) > 0.6


def test_where_options_differ_or_are_not_known_or_one_class_alone_is_right_there_are_no_classes():
    predictions, _, _ = classified(20)
    other = replace(predictions[0], options=["benign", "malignant", "scar"])
    for some in ([*predictions, other], [replace(p, options=None) for p in predictions]):
        assert class_rows(some, **PLACE, seed=0, replicates=20) == []
    assert class_rows(classified(20, shares=[1, 0, 0])[0], **PLACE, seed=0, replicates=20) == []


def test_a_report_has_the_classes_of_all_arms_and_reads_them_again(tmp_path):
    for arm, seed in (("base", 0), ("sft", 0), ("sft", 1)):
        evaluated_run(tmp_path, arm, seed, files={"phantom.test.greedy": classified(40)[0]})
    written = write_report(tmp_path, tmp_path, seed=0, replicates=50)
    text = (tmp_path / "report.md").read_text()
    table = text[text.index("## By class") :].split("\n\n")[2].splitlines()
    assert table[0] == "| dataset | question type | class | n | base | sft |"
    assert [line.split(" | ")[2] for line in table[2:]] == [*CLASSES, "**balanced accuracy**"]
    assert list(read_summary(tmp_path / "summary.json").classes) == list(written.classes)
