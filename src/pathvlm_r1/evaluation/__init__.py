"""Evaluation: how sure a number is, and whether two arms differ on the same items."""

from pathvlm_r1.evaluation.comparison import (
    McNemar,
    PairedDifference,
    hierarchical_interval,
    image_bootstrap_of_seed_mean,
    mcnemar,
    paired_difference,
    seed_differences,
)
from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap, wilson

__all__ = [
    "Interval",
    "McNemar",
    "PairedDifference",
    "cluster_bootstrap",
    "hierarchical_interval",
    "image_bootstrap_of_seed_mean",
    "mcnemar",
    "paired_difference",
    "seed_differences",
    "wilson",
]
