"""What a run stands on: the commit of the code and the versions of the packages that its numbers depend on."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pathvlm_r1

PACKAGES = (
    "torch", "transformers", "tokenizers", "peft", "accelerate", "pytorch-lightning", "torchmetrics", "datasets",
    "hydra-core", "omegaconf", "wandb", "numpy", "pillow", "safetensors",
)  # fmt: skip
_GIT_SECONDS = 20  # a status over a slow network folder is given up, not waited for


def git_state() -> dict[str, str | bool] | None:
    """Commit of the package's own repository and whether it was changed since; None where it is in none."""
    folder = Path(pathvlm_r1.__file__).parent
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None  # installed, perhaps below another repository, whose commit would say nothing
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "is_dirty": bool(changes)}


def package_versions() -> dict[str, str | None]:
    """Installed versions by name; None for one that is not installed."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        result = subprocess.run(  # noqa: S603  fixed arguments, no shell
            [program, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
