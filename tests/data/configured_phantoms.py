"""The phantom sets as `conf/dataset/` has them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pathvlm_r1.data import Sample
from pathvlm_r1.data.phantom import PhantomSource

CONF = Path(__file__).parents[2] / "conf"
CONFIGURED: Mapping[str, Mapping[str, Any]] = {  # modality -> the keys of its file
    keys["modality"]: keys for keys in (yaml.safe_load(p.read_text()) for p in (CONF / "dataset").glob("phantom*.yaml"))
}
PRETRAINING: Mapping[str, Any] = yaml.safe_load((CONF / "stage" / "pretrain.yaml").read_text())


def source(modality: str, **changes: Any) -> PhantomSource:
    """The questions of a modality, with fields of the source changed."""
    keys = CONFIGURED[modality]
    fields = {name: keys[name] for name in ("modality", "seed", "image_size", "style_shares")}
    return PhantomSource(**{"dataset": keys["name"], **fields, **changes})


@cache
def split(modality: str, name: str) -> tuple[Sample, ...]:
    """A whole split, as many questions as configured."""
    return tuple(source(modality).samples(name, CONFIGURED[modality]["splits"][name]))
