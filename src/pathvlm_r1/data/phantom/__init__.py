"""Digital phantoms: stylised pictures of five modalities whose findings are known, and questions about them."""

from pathvlm_r1.data.phantom.dataset import PhantomImage, PhantomSource
from pathvlm_r1.data.phantom.ontology import ONTOLOGIES, Ontology

__all__ = ["ONTOLOGIES", "Ontology", "PhantomImage", "PhantomSource"]
