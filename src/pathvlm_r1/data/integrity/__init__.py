"""Integrity of datasets: what a picture is known by, defects, components, splits, overlaps and text-only floors."""

from pathvlm_r1.data.integrity.keys import PictureKeys, open_pictures
from pathvlm_r1.data.integrity.look import NearPair, near_between, near_pairs, stacked
from pathvlm_r1.data.integrity.verifying import Verified, counted, verified_hash, verify

__all__ = [
    "NearPair",
    "PictureKeys",
    "Verified",
    "counted",
    "near_between",
    "near_pairs",
    "open_pictures",
    "stacked",
    "verified_hash",
    "verify",
]
