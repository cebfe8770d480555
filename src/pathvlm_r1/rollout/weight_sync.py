"""How a vLLM server gets the weights of the policy: whole, as a LoRA adapter, or not at all.

Both ways hand over files in a folder that the server sees too, each version under a name of its own.
"""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from typing import Any, Protocol

from pathvlm_r1.model import Policy
from pathvlm_r1.rollout.vllm_server import VLLMServer


class WeightSync(Protocol):
    """Sees to it that the server has a policy's weights."""

    def __call__(self, policy: Policy) -> str:
        """The name under which the server serves them."""
        ...


class ServedAlready:
    """For a server that was started with the weights of the only policy that it is asked about."""

    def __init__(self, model: str) -> None:
        self.model = model

    def __call__(self, policy: Policy) -> str:
        """Its own name for them."""
        del policy
        return self.model


class ReloadSync:
    """Whole weights, which the server reads in place of its own; it runs with VLLM_SERVER_DEV_MODE=1.

    Args:
        server: pauses, which also empties its caches, reloads, and resumes.
        model: the name under which it serves them, whatever their version.
        folder: for the files.
    """

    def __init__(self, server: VLLMServer, *, model: str, folder: Path) -> None:
        self.server, self.model, self.folder = server, model, folder
        self._changes = _Changes()
        self._version = 0

    def __call__(self, policy: Policy) -> str:
        """Send the weights, if they are not those of the last call."""
        if self._changes.are_in(policy):
            self._version += 1
            folder = _fresh(self.folder / f"weights-{self._version}")
            policy.core.save_pretrained(folder)
            self.server.tell("/pause?mode=wait")
            try:
                self.server.tell(
                    "/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
                )
            finally:
                self.server.tell("/resume")
            shutil.rmtree(folder)
            self._changes.are_sent(policy)
        return self.model


class AdapterSync:
    """A LoRA adapter under a new name for every version, so that an older one cannot answer in its place.

    The server runs with --enable-lora, a --max-lora-rank of at least the adapter's, and
    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True.

    Args:
        server: loads and unloads adapters.
        model: what their names begin with.
        folder: for the files, which stay while an adapter is loaded.
    """

    def __init__(self, server: VLLMServer, *, model: str, folder: Path) -> None:
        self.server, self.model, self.folder = server, model, folder
        self._changes = _Changes()
        self._version = 0
        self._loaded: str | None = None

    def __call__(self, policy: Policy) -> str:
        """Load the adapter, if it is not that of the last call, and unload the one before."""
        if self._loaded is None or self._changes.are_in(policy):
            name, folder = self._free_name()
            adapted: Any = policy.model
            adapted.save_pretrained(_fresh(folder), save_embedding_layers=False)  # no look at the hub for the base's
            self._post("load", {"lora_name": name, "lora_path": str(folder)})
            if self._loaded is not None:
                self._post("unload", {"lora_name": self._loaded})
                shutil.rmtree(self.folder / self._loaded)
            self._loaded = name
            self._changes.are_sent(policy)
        return self._loaded

    def _free_name(self) -> tuple[str, Path]:
        """A name that the server has not loaded yet, for this run or another."""
        taken = set(self.server.models())
        while True:
            self._version += 1
            name = f"{self.model}-{self._version}"
            if name not in taken:
                return name, self.folder / name

    def _post(self, action: str, body: dict[str, str]) -> None:
        self.server.tell(f"/v1/{action}_lora_adapter", body, is_repeatable=False)


class _Changes:
    """Notices another policy, and weights that were written to, by the counters that autograd keeps of it."""

    def __init__(self) -> None:
        self._policy: weakref.ref[Policy] | None = None
        self._writes = -1

    def are_in(self, policy: Policy) -> bool:
        """Whether the policy is not as it was when it was last sent."""
        return self._policy is None or self._policy() is not policy or self._writes != _writes(policy)

    def are_sent(self, policy: Policy) -> None:
        """It is the same from now on."""
        self._policy, self._writes = weakref.ref(policy), _writes(policy)


def _writes(policy: Policy) -> int:
    return sum(parameter._version for parameter in policy.parameters())


def _fresh(folder: Path) -> Path:
    """An empty folder of this name, as an absolute path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
