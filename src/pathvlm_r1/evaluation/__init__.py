"""Evaluation: answering under the contract, predictions, tables with intervals, paired comparisons, the report."""

from pathvlm_r1.evaluation.agreement import (
    EventAgreement,
    ScoreAgreement,
    Stability,
    cohens_kappa,
    event_agreement,
    kappa_interval,
    score_agreement,
    stability,
)
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
from pathvlm_r1.evaluation.collecting import Answers, collect
from pathvlm_r1.evaluation.comparing_arms import Comparison, compare_arms, comparisons_from_items
from pathvlm_r1.evaluation.comparing_runs import ComparisonSettings, MetricDifference, RunComparison, compare_runs
from pathvlm_r1.evaluation.comparison import (
    McNemar,
    PairedDifference,
    hierarchical_interval,
    image_bootstrap_of_seed_mean,
    mcnemar,
    paired_difference,
    resampled_differences,
    seed_differences,
)
from pathvlm_r1.evaluation.comparison_text import Compared, comparison_text
from pathvlm_r1.evaluation.detectable import (
    clustered_standard_error,
    design_effect,
    detectable_difference,
    detectable_mean_difference,
)
from pathvlm_r1.evaluation.figure import figure_png
from pathvlm_r1.evaluation.forced_choice import Choice, ForcedChoiceRow, forced_choice_row, read_choices, write_choices
from pathvlm_r1.evaluation.generations import Generated, GenerationFile, Group
from pathvlm_r1.evaluation.items import Item, read_items, write_items
from pathvlm_r1.evaluation.judge_audit import AskingCost, JudgeAudit, ProcessRule, measure_judge
from pathvlm_r1.evaluation.judge_audit_table import audit_sentences, audit_table
from pathvlm_r1.evaluation.logged_completions import (
    LoggedCompletion,
    LoggedRollout,
    log_lines,
    read_log,
    read_rollouts,
)
from pathvlm_r1.evaluation.multiplicity import holm
from pathvlm_r1.evaluation.non_inferiority import NonInferiority, non_inferiority
from pathvlm_r1.evaluation.openings import Opening, openings_below, register
from pathvlm_r1.evaluation.overoptimisation import (
    ArmRow,
    Curve,
    CurvePoint,
    JudgedAnswer,
    JudgedRun,
    Overoptimisation,
    SeedMean,
    overoptimisation,
)
from pathvlm_r1.evaluation.overoptimisation_report import (
    overoptimisation_markdown,
    overoptimisation_png,
    overoptimisation_table,
)
from pathvlm_r1.evaluation.pass_at_k import pass_at_k
from pathvlm_r1.evaluation.predictions import Prediction, predict, read_predictions, write_predictions
from pathvlm_r1.evaluation.quality import GradedAnswer, QualityRow, quality_row, read_graded, write_graded
from pathvlm_r1.evaluation.readiness import Estimate, Readiness, measure_readiness
from pathvlm_r1.evaluation.readiness_table import readiness_table
from pathvlm_r1.evaluation.recipes import several_recipes
from pathvlm_r1.evaluation.rendering import markdown
from pathvlm_r1.evaluation.repeats import Repeats, mean_of_repeats
from pathvlm_r1.evaluation.reporting import write_report
from pathvlm_r1.evaluation.rescoring import Difference, JudgedBin, difference, judged_bins
from pathvlm_r1.evaluation.rescoring_table import difference_table, judged_table
from pathvlm_r1.evaluation.run_pairs import Mismatch, PairedRuns, common_files, paired_runs
from pathvlm_r1.evaluation.self_consistency import self_consistency
from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap, share_interval, wilson
from pathvlm_r1.evaluation.summary import Summary, read_summary, summarise
from pathvlm_r1.evaluation.tables import ResultRow, accuracy_by_type, letter_accuracy, result_row
from pathvlm_r1.evaluation.verdict import Signal, Verdict, verdict

__all__ = [
    "Answerer",
    "Answers",
    "ArmRow",
    "Asker",
    "AskingCost",
    "Choice",
    "Chooser",
    "Compared",
    "Comparison",
    "ComparisonSettings",
    "Curve",
    "CurvePoint",
    "Difference",
    "Estimate",
    "EventAgreement",
    "ForcedChoiceRow",
    "Generated",
    "GenerationFile",
    "GradedAnswer",
    "Group",
    "Interval",
    "Item",
    "JudgeAudit",
    "JudgedAnswer",
    "JudgedBin",
    "JudgedRun",
    "LoggedCompletion",
    "LoggedRollout",
    "McNemar",
    "MetricDifference",
    "Mismatch",
    "NonInferiority",
    "Opening",
    "Overoptimisation",
    "PairedDifference",
    "PairedRuns",
    "Prediction",
    "ProcessRule",
    "QualityRow",
    "Readiness",
    "Repeats",
    "ResultRow",
    "RunComparison",
    "ScoreAgreement",
    "SeedMean",
    "Signal",
    "Stability",
    "Summary",
    "Verdict",
    "accuracy_by_type",
    "as_completion",
    "audit_sentences",
    "audit_table",
    "blank_images",
    "cluster_bootstrap",
    "clustered_standard_error",
    "cohens_kappa",
    "collect",
    "common_files",
    "compare_arms",
    "compare_runs",
    "comparison_text",
    "comparisons_from_items",
    "completion_of",
    "design_effect",
    "detectable_difference",
    "detectable_mean_difference",
    "difference",
    "difference_table",
    "event_agreement",
    "figure_png",
    "forced_choice_row",
    "hierarchical_interval",
    "holm",
    "image_bootstrap_of_seed_mean",
    "judged_bins",
    "judged_table",
    "kappa_interval",
    "letter_accuracy",
    "log_lines",
    "markdown",
    "mcnemar",
    "mean_of_repeats",
    "measure_judge",
    "measure_readiness",
    "non_inferiority",
    "openings_below",
    "overoptimisation",
    "overoptimisation_markdown",
    "overoptimisation_png",
    "overoptimisation_table",
    "paired_difference",
    "paired_runs",
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
    "register",
    "resampled_differences",
    "result_row",
    "score_agreement",
    "seed_differences",
    "self_consistency",
    "several_recipes",
    "share_interval",
    "shuffled_images",
    "stability",
    "summarise",
    "verdict",
    "wilson",
    "write_choices",
    "write_graded",
    "write_items",
    "write_predictions",
    "write_report",
]
