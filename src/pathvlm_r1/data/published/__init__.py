"""Published datasets: one reader a set, in the layout that its authors publish; none opens a picture."""

from pathvlm_r1.data.published.omnimedvqa import OMNIMEDVQA_SPLITS, read_omnimedvqa
from pathvlm_r1.data.published.omnimedvqa_hard import CLASS_QUESTIONS, read_omnimedvqa_hard
from pathvlm_r1.data.published.pathmmu import PATHMMU_SOURCES, PATHMMU_SPLITS, read_pathmmu

__all__ = [
    "CLASS_QUESTIONS",
    "OMNIMEDVQA_SPLITS",
    "PATHMMU_SOURCES",
    "PATHMMU_SPLITS",
    "read_omnimedvqa",
    "read_omnimedvqa_hard",
    "read_pathmmu",
]
