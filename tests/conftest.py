"""What every test stands on: one thread, no network, and a folder of BCCD's format."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from drawn_bccd import draw_bccd
from hypothesis import settings

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", WANDB_MODE="offline")  # read when these are imported
os.environ["NO_PROXY"] = "127.0.0.1,localhost"  # servers of tests are asked directly, whatever the machine has
torch.set_num_threads(1)  # tests' tensors are small: threads cost more than they give, and change sums
settings.register_profile("repository", deadline=None, derandomize=True)  # no wall time; same examples everywhere
settings.load_profile("repository")


MEDIUM_FOLDERS = ("bad_input", "end_to_end", "hacking", "parity")  # whole runs, and every exploit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of `MEDIUM_FOLDERS` are medium; one marked gpu is skipped where there is none, however it was chosen."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).parts[0] in MEDIUM_FOLDERS:
            item.add_marker(pytest.mark.medium)
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session")
def bccd_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real BCCD folder where BCCD_ROOT names it, a small drawn one in its format elsewhere."""
    if root := os.environ.get("BCCD_ROOT"):
        return Path(root)
    return draw_bccd(tmp_path_factory.mktemp("bccd"))
