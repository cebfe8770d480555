"""All exploits, and the samples that they are tried on."""

from __future__ import annotations

from pathlib import Path

import answer_exploits
import judge_exploits
import reasoning_exploits
import tag_exploits
from drawn_bccd import draw_bccd
from written_completions import COMPLETE, phantom_samples

from pathvlm_r1.data import Sample
from pathvlm_r1.data.bccd import load_bccd
from pathvlm_r1.data.phantom import ONTOLOGIES

EXPLOITS = [
    *answer_exploits.EXPLOITS, *tag_exploits.EXPLOITS, *reasoning_exploits.EXPLOITS, *judge_exploits.EXPLOITS
]  # fmt: skip


def hacking_samples(folder: Path, per_type: int) -> list[Sample]:
    """So many samples, with complete references, of every question type: five phantom modalities and a drawn BCCD."""
    smears = load_bccd(draw_bccd(folder), split="sft", seed=0, style_shares=COMPLETE, rl_share=0.5)
    taken: dict[tuple[str, str], list[Sample]] = {}
    for sample in [*(s for modality in ONTOLOGIES for s in phantom_samples(modality)), *smears]:
        of_type = taken.setdefault((sample.dataset, sample.question_type), [])
        if len(of_type) < per_type:
            of_type.append(sample)
    return [sample for of_type in taken.values() for sample in of_type]
