"""Published datasets: one reader a set, in the layout that its authors publish; none opens a picture."""

from pathvlm_r1.data.published.hub_tables import read_pathvqa, read_vqa_rad
from pathvlm_r1.data.published.medxpertqa import read_medxpertqa
from pathvlm_r1.data.published.omnimedvqa import read_omnimedvqa
from pathvlm_r1.data.published.omnimedvqa_hard import CLASS_QUESTIONS, read_omnimedvqa_hard
from pathvlm_r1.data.published.pathmmu import PATHMMU_SOURCES, PATHMMU_SPLITS, read_pathmmu
from pathvlm_r1.data.published.pmc_vqa import read_pmc_vqa
from pathvlm_r1.data.published.slake import SLAKE_LANGUAGES, read_slake
from pathvlm_r1.data.published.splits import PUBLISHED_SPLITS

__all__ = [
    "CLASS_QUESTIONS",
    "PATHMMU_SOURCES",
    "PATHMMU_SPLITS",
    "PUBLISHED_SPLITS",
    "SLAKE_LANGUAGES",
    "read_medxpertqa",
    "read_omnimedvqa",
    "read_omnimedvqa_hard",
    "read_pathmmu",
    "read_pathvqa",
    "read_pmc_vqa",
    "read_slake",
    "read_vqa_rad",
]
