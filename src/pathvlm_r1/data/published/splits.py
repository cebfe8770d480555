"""The splits that each set is published with, by the kind of its configuration."""

from __future__ import annotations

from pathvlm_r1.data.published.hub_tables import PATHVQA_SPLITS, VQA_RAD_SPLITS
from pathvlm_r1.data.published.medxpertqa import MEDXPERTQA_SPLITS
from pathvlm_r1.data.published.omnimedvqa import OMNIMEDVQA_SPLITS
from pathvlm_r1.data.published.pathmmu import PATHMMU_SPLITS
from pathvlm_r1.data.published.pmc_vqa import PMC_VQA_SPLITS
from pathvlm_r1.data.published.slake import SLAKE_SPLITS

PUBLISHED_SPLITS = {
    "pathmmu": PATHMMU_SPLITS,
    "omnimedvqa": OMNIMEDVQA_SPLITS,
    "omnimedvqa_hard": OMNIMEDVQA_SPLITS,
    "pathvqa": PATHVQA_SPLITS,
    "vqa_rad": VQA_RAD_SPLITS,
    "slake": SLAKE_SPLITS,
    "pmc_vqa": PMC_VQA_SPLITS,
    "medxpertqa_mm": MEDXPERTQA_SPLITS,
}
