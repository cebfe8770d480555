"""Integrity of datasets: what a picture is known by, defects, components, splits, overlaps and text-only floors."""

from pathvlm_r1.data.integrity.components import KEY_NAMES, KeyName, Sharing, component_labels
from pathvlm_r1.data.integrity.keys import PictureKeys, open_pictures
from pathvlm_r1.data.integrity.look import BITS, NearPair, near_between, near_pairs, stacked
from pathvlm_r1.data.integrity.splitting import balanced_order, exact_sizes, nested_subsets, split_components
from pathvlm_r1.data.integrity.verifying import Verified, counted, verified_hash, verify

__all__ = [
    "BITS",
    "KEY_NAMES",
    "KeyName",
    "NearPair",
    "PictureKeys",
    "Sharing",
    "Verified",
    "balanced_order",
    "component_labels",
    "counted",
    "exact_sizes",
    "near_between",
    "near_pairs",
    "nested_subsets",
    "open_pictures",
    "split_components",
    "stacked",
    "verified_hash",
    "verify",
]
