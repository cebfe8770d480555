"""Evaluation: answering under the contract, predictions, tables with intervals, paired comparisons, the report."""

from pathvlm_r1.evaluation.answering import (
    Answerer,
    Asker,
    as_completion,
    blank_images,
    completion_of,
    portion_of,
    predictions_of,
    shuffled_images,
)
from pathvlm_r1.evaluation.choosing import Chooser
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
from pathvlm_r1.evaluation.forced_choice import Choice, ForcedChoiceRow, forced_choice_row, read_choices, write_choices
from pathvlm_r1.evaluation.generations import Generated, GenerationFile, Group
from pathvlm_r1.evaluation.items import Item, read_items, write_items
from pathvlm_r1.evaluation.logged_completions import (
    LoggedCompletion,
    LoggedRollout,
    log_lines,
    read_log,
    read_rollouts,
)
from pathvlm_r1.evaluation.pass_at_k import pass_at_k
from pathvlm_r1.evaluation.predictions import Prediction, predict, read_predictions, write_predictions
from pathvlm_r1.evaluation.quality import GradedAnswer, QualityRow, quality_row, read_graded, write_graded
from pathvlm_r1.evaluation.readiness import Estimate, Readiness, measure_readiness
from pathvlm_r1.evaluation.readiness_table import readiness_table
from pathvlm_r1.evaluation.rendering import markdown
from pathvlm_r1.evaluation.reporting import write_report
from pathvlm_r1.evaluation.rescoring import Difference, JudgedBin, difference, judged_bins
from pathvlm_r1.evaluation.rescoring_table import difference_table, judged_table
from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap, share_interval, wilson
from pathvlm_r1.evaluation.summary import Summary, read_summary, summarise
from pathvlm_r1.evaluation.tables import ResultRow, accuracy_by_type, letter_accuracy, result_row
from pathvlm_r1.evaluation.verdict import Signal, Verdict, verdict

__all__ = [
    "Answerer",
    "Asker",
    "Choice",
    "Chooser",
    "Comparison",
    "Difference",
    "Estimate",
    "ForcedChoiceRow",
    "Generated",
    "GenerationFile",
    "GradedAnswer",
    "Group",
    "Interval",
    "Item",
    "JudgedBin",
    "LoggedCompletion",
    "LoggedRollout",
    "McNemar",
    "PairedDifference",
    "Prediction",
    "QualityRow",
    "Readiness",
    "ResultRow",
    "Signal",
    "Summary",
    "Verdict",
    "accuracy_by_type",
    "as_completion",
    "blank_images",
    "cluster_bootstrap",
    "compare_arms",
    "comparisons_from_items",
    "completion_of",
    "difference",
    "difference_table",
    "figure_png",
    "forced_choice_row",
    "hierarchical_interval",
    "image_bootstrap_of_seed_mean",
    "judged_bins",
    "judged_table",
    "letter_accuracy",
    "log_lines",
    "markdown",
    "mcnemar",
    "measure_readiness",
    "pass_at_k",
    "portion_of",
    "predict",
    "predictions_of",
    "quality_row",
    "read_choices",
    "read_graded",
    "read_items",
    "read_log",
    "read_predictions",
    "read_rollouts",
    "read_summary",
    "readiness_table",
    "result_row",
    "seed_differences",
    "share_interval",
    "shuffled_images",
    "summarise",
    "verdict",
    "wilson",
    "write_choices",
    "write_graded",
    "write_items",
    "write_predictions",
    "write_report",
]
