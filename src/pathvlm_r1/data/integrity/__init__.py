"""Integrity of datasets: what a picture is known by, defects, components, splits, overlaps and text-only floors."""

from pathvlm_r1.data.integrity.audit_page import Audit, audit_page
from pathvlm_r1.data.integrity.components import KEY_NAMES, KeyName, Sharing, component_labels
from pathvlm_r1.data.integrity.floors import Floors, floors
from pathvlm_r1.data.integrity.keys import PictureKeys, open_pictures
from pathvlm_r1.data.integrity.look import BITS, NearPair, near_between, near_pairs, stacked
from pathvlm_r1.data.integrity.overlaps import Overlap, Picture, SharedPair, compared, overlaps_of, pictures_of
from pathvlm_r1.data.integrity.splitting import balanced_order, exact_sizes, nested_subsets, split_components
from pathvlm_r1.data.integrity.usable import with_usable_pictures
from pathvlm_r1.data.integrity.verifying import Verified, counted, verified_hash, verify

__all__ = [
    "BITS",
    "KEY_NAMES",
    "Audit",
    "Floors",
    "KeyName",
    "NearPair",
    "Overlap",
    "Picture",
    "PictureKeys",
    "SharedPair",
    "Sharing",
    "Verified",
    "audit_page",
    "balanced_order",
    "compared",
    "component_labels",
    "counted",
    "exact_sizes",
    "floors",
    "near_between",
    "near_pairs",
    "nested_subsets",
    "open_pictures",
    "overlaps_of",
    "pictures_of",
    "split_components",
    "stacked",
    "verified_hash",
    "verify",
    "with_usable_pictures",
]
