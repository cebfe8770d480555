"""Requests to a vLLM server: bounded in time and number, each failure one message."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import httpx

from pathvlm_r1.rollout.engine import EngineError

PAUSE_SECONDS = 1.0  # before a second attempt, twice that before a third ...
_BUSY = 429  # too many requests


class VLLMServer:
    """The HTTP side of a server; an API key is taken from `VLLM_API_KEY`, the name that vLLM has for it.

    Args:
        url: of the server, without a path.
        timeout_seconds: of one request.
        attempts: of one request that meets no answer, a busy server or a fault inside it.
        pause_seconds: before the second attempt.
    """

    def __init__(
        self, url: str, *, timeout_seconds: float, attempts: int, pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        self.url, self.attempts, self.pause_seconds = url, attempts, pause_seconds
        key = os.environ.get("VLLM_API_KEY")
        self._client = httpx.Client(
            base_url=url, timeout=timeout_seconds, trust_env=False,  # a machine's proxy leads elsewhere
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            limits=httpx.Limits(max_connections=None),
        )  # fmt: skip

    def models(self) -> list[str]:
        """Names that may be asked for, loaded adapters among them."""
        return [str(entry["id"]) for entry in self.ask("GET", "/v1/models", about="data")["data"]]

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, about: str) -> dict[str, Any]:
        """The answer, a JSON object that has the key `about`.

        Raises:
            EngineError: no answer, a refusal, in the server's own words, or an answer of something else.
        """
        answer = self._request(method, path, body)
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or about not in found:
            raise EngineError(
                f"rollout.url={self.url}: {method} {path} was answered without {about!r}: is a vLLM server there? It "
                f"says: {answer.text.strip()[:200]}"
            )
        return found

    def tell(self, path: str, body: Mapping[str, Any] | None = None, *, is_repeatable: bool = True) -> None:
        """Post what has no answer but that it is done.

        Args:
            path: from the server's root, with its query.
            body: sent as JSON.
            is_repeatable: False where a second attempt would meet what the first may have done.

        Raises:
            EngineError: no answer, or a refusal, in the server's own words.
        """
        self._request("POST", path, body, attempts=self.attempts if is_repeatable else 1)

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, attempts: int | None = None
    ) -> httpx.Response:
        reason = ""
        for attempt in range(attempts or self.attempts):
            time.sleep(attempt * self.pause_seconds)
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__} {error}".strip()
                continue
            if answer.is_success:
                return answer
            reason = f"status {answer.status_code}: {answer.text.strip()[:500]}"
            if answer.is_client_error and answer.status_code != _BUSY:
                break
        raise EngineError(f"rollout.url={self.url}: {method} {path} failed: {reason}")
