"""Data: samples with their truth, digital phantoms, readers of real sets, image-disjoint splits."""

from pathvlm_r1.data.montage import montage
from pathvlm_r1.data.sample import LETTERS, FindingsTable, ImageSource, OptionFacts, RegionSource, Sample

__all__ = ["LETTERS", "FindingsTable", "ImageSource", "OptionFacts", "RegionSource", "Sample", "montage"]
