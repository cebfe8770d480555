"""Where a model looks: maps with their checks, true regions, and what other pictures do to the right option."""

from pathvlm_r1.evaluation.explain.asking import PolicySubject, Subject
from pathvlm_r1.evaluation.explain.explaining import (
    METHODS,
    Drawing,
    Explained,
    Explainer,
    ExplainSettings,
)
from pathvlm_r1.evaluation.explain.overlays import overlay_png
from pathvlm_r1.evaluation.explain.summary import Explanations, summarise_explanations
from pathvlm_r1.evaluation.explain.table import (
    attention_sentences,
    explanations_markdown,
    explanations_tables,
    own_sentence,
    regions_sentence,
    validation,
)

__all__ = [
    "METHODS",
    "Drawing",
    "ExplainSettings",
    "Explained",
    "Explainer",
    "Explanations",
    "PolicySubject",
    "Subject",
    "attention_sentences",
    "explanations_markdown",
    "explanations_tables",
    "overlay_png",
    "own_sentence",
    "regions_sentence",
    "summarise_explanations",
    "validation",
]
