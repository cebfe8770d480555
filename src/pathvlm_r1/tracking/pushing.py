"""An exported model to the Hugging Face hub, as it stands in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pathvlm_r1.tracking.export import PROVENANCE
from pathvlm_r1.tracking.files import TrackingError

HUB_TOKEN = "HF_TOKEN"  # noqa: S105  the environment variable that holds it
CARD = "README.md"
_REFUSED = (401, 403)


@dataclass(frozen=True)
class Pushed:
    """Where an export stands on the hub."""

    address: str
    commit: str
    files: int
    megabytes: float


def push_export(folder: Path, hub_id: str, *, token: str | None, is_private: bool) -> Pushed:
    """Make the repository if it is not there, and upload the whole folder in one commit.

    Args:
        folder: an export.
        hub_id: owner/name.
        token: of an account that may write there.
        is_private: of a repository that is made; one that is there keeps who may see it.

    Raises:
        TrackingError: the folder is no export; there is no token, or one without the right; the hub cannot be reached.
    """
    files = _exported_files(folder)
    if not token:
        raise TrackingError(f"hub_id={hub_id}: no token; give one with the right to write in the variable {HUB_TOKEN}")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # the client of its requests

    api = HfApi(token=token)
    try:
        address = api.create_repo(hub_id, private=is_private, exist_ok=True)
        done = api.upload_folder(repo_id=hub_id, folder_path=folder, commit_message=f"Export {folder.parent.name}")
    except HfHubHTTPError as fault:
        raise TrackingError(_refusal(hub_id, fault.response.status_code, str(fault))) from fault
    except (httpx.HTTPError, OSError) as fault:
        raise TrackingError(
            f"hub_id={hub_id}: {api.endpoint} cannot be reached ({_first_line(fault)}); give the command again "
            "where there is a network"
        ) from fault
    return Pushed(str(address), done.oid, len(files), sum(path.stat().st_size for path in files) / 1e6)


def _exported_files(folder: Path) -> list[Path]:
    needed = ("config.json", "*.safetensors", "tokenizer.json", PROVENANCE, CARD)
    missing = [name for name in needed if not list(folder.glob(name))]
    if missing:
        raise TrackingError(
            f"model.checkpoint={folder}: is no export of a run, it has no {', '.join(missing)}; "
            "name outputs/<run>/export"
        )
    return [path for path in folder.rglob("*") if path.is_file()]


def _refusal(hub_id: str, status: int, message: str) -> str:
    if status in _REFUSED:
        return (
            f"hub_id={hub_id}: the token in {HUB_TOKEN} may not write there (status {status}); make one with the "
            "right to write for that owner, or name another"
        )
    return f"hub_id={hub_id}: the hub answered with status {status}: {message.splitlines()[0]}"


def _first_line(fault: Exception) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]
