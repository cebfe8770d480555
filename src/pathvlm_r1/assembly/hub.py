"""Files of a dataset on the Hugging Face hub: one commit of it, resumed where a download was cut off."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.tracking import HUB_TOKEN


def download(hub_id: str, revision: str, files: Sequence[str], folder: Path) -> None:
    """The files of one commit; what is in the folder already is not fetched again.

    Args:
        hub_id: owner/name.
        revision: the commit.
        files: patterns of those to take; none: all.
        folder: where to.

    Raises:
        DatasetError: there is no such dataset or commit, it is gated, or the connection broke.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # the client of its requests, under the name that stays

    token = os.environ.get(HUB_TOKEN)
    try:
        snapshot_download(
            hub_id, repo_type="dataset", revision=revision, local_dir=folder, allow_patterns=list(files) or None,
            token=token or False,  # False: a token that this machine keeps somewhere is not sent
        )  # fmt: skip
    except GatedRepoError as fault:
        raise DatasetError(
            f"source={hub_id}: is gated; accept its conditions at https://huggingface.co/datasets/{hub_id}, and give "
            f"the token of the account that did in the environment variable {HUB_TOKEN}"
        ) from fault
    except (RepositoryNotFoundError, RevisionNotFoundError) as fault:
        kind = "no such commit of it" if isinstance(fault, RevisionNotFoundError) else "no such dataset"
        raise DatasetError(
            f"source={hub_id}: the hub has {kind}, or shows it only to some: check the id and revision={revision}, and "
            f"give a token in {HUB_TOKEN} if it is private"
        ) from fault
    except (httpx.HTTPError, OSError, ValueError) as fault:
        raise DatasetError(
            f"source={hub_id}: {str(fault).splitlines()[0]}; what has come stays in {folder}: give the command again "
            "to go on with it"
        ) from fault
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub's own notes on the download
