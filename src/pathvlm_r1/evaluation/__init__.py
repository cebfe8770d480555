"""Evaluation: answering under the contract, predictions, tables with intervals, paired comparisons, the report."""

from pathvlm_r1.evaluation.answering import Answerer, as_completion, blank_images, shuffled_images
from pathvlm_r1.evaluation.comparing_arms import Comparison, compare_arms, comparisons_from_items
from pathvlm_r1.evaluation.comparison import (
    McNemar,
    PairedDifference,
    hierarchical_interval,
    image_bootstrap_of_seed_mean,
    mcnemar,
    seed_differences,
)
from pathvlm_r1.evaluation.figure import figure_png
from pathvlm_r1.evaluation.items import Item, read_items, write_items
from pathvlm_r1.evaluation.predictions import Prediction, predict, read_predictions, write_predictions
from pathvlm_r1.evaluation.rendering import markdown
from pathvlm_r1.evaluation.reporting import write_report
from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap, wilson
from pathvlm_r1.evaluation.summary import Summary, read_summary, summarise
from pathvlm_r1.evaluation.tables import ResultRow, accuracy_by_type, letter_accuracy, result_row

__all__ = [
    "Answerer",
    "Comparison",
    "Interval",
    "Item",
    "McNemar",
    "PairedDifference",
    "Prediction",
    "ResultRow",
    "Summary",
    "accuracy_by_type",
    "as_completion",
    "blank_images",
    "cluster_bootstrap",
    "compare_arms",
    "comparisons_from_items",
    "figure_png",
    "hierarchical_interval",
    "image_bootstrap_of_seed_mean",
    "letter_accuracy",
    "markdown",
    "mcnemar",
    "predict",
    "read_items",
    "read_predictions",
    "read_summary",
    "result_row",
    "seed_differences",
    "shuffled_images",
    "summarise",
    "wilson",
    "write_items",
    "write_predictions",
    "write_report",
]
