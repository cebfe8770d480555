"""`src/eval.py task=export`: an exported model, with its card, to the hub."""

from __future__ import annotations

import os
from pathlib import Path

from pathvlm_r1.config import PushConfig
from pathvlm_r1.tracking import HUB_TOKEN, push_export, say


def push(config: PushConfig) -> None:
    """Upload the folder of `model.checkpoint`, and say where it stands.

    Raises:
        TrackingError: it is no export, or the hub does not take it.
    """
    folder = Path(config.model.checkpoint).expanduser()
    pushed = push_export(folder, config.hub_id, token=os.environ.get(HUB_TOKEN), is_private=config.private)
    said = f"{pushed.files} files, {pushed.megabytes:.1f} MB, at {pushed.address}, commit {pushed.commit}"
    say(f"{folder}: {said}")
