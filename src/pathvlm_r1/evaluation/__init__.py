"""Evaluation: answering under the contract, predictions, tables with intervals, paired comparisons."""

from pathvlm_r1.evaluation.answering import Answerer, blank_images, shuffled_images
from pathvlm_r1.evaluation.comparison import (
    McNemar,
    PairedDifference,
    hierarchical_interval,
    image_bootstrap_of_seed_mean,
    mcnemar,
    paired_difference,
    seed_differences,
)
from pathvlm_r1.evaluation.predictions import Prediction, predict, read_predictions, write_predictions
from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap, wilson
from pathvlm_r1.evaluation.tables import ResultRow, accuracy_by_type, letter_accuracy, result_row

__all__ = [
    "Answerer",
    "Interval",
    "McNemar",
    "PairedDifference",
    "Prediction",
    "ResultRow",
    "accuracy_by_type",
    "blank_images",
    "cluster_bootstrap",
    "hierarchical_interval",
    "image_bootstrap_of_seed_mean",
    "letter_accuracy",
    "mcnemar",
    "paired_difference",
    "predict",
    "read_predictions",
    "result_row",
    "seed_differences",
    "shuffled_images",
    "wilson",
    "write_predictions",
]
