"""Requests to a chat-completions endpoint: bounded, paced, repeated where that helps, and entered before they are sent.

What is repeated: timeouts, lost connections, 408, 409, 429 and 5xx, after a growing random pause and no sooner than
Retry-After says. What is billed at its reserve: all that was sent and had no answer, which the server may charge for.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn

import httpx
from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from pathvlm_r1.reward.judges.answer import Answer
from pathvlm_r1.reward.judges.errors import JudgeError
from pathvlm_r1.reward.judges.question import Question
from pathvlm_r1.reward.judges.store import Store

MAX_BODY_BYTES = 1_000_000  # no answer is as long
_HOPELESS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND)  # a wrong key, address or model: no request fares better
_THROTTLED = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)  # refused before any work, and no sign of an outage
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where requests go, and how hard they try; times in seconds."""

    url: str
    api_key: str | None = field(repr=False)
    concurrency: int
    spacing: float  # between the starts of two requests of this process; 0: none
    timeout: float  # of one request, from its start to its last byte
    attempts: int
    backoff: float  # bound of the pause before the second attempt; it doubles each time
    max_wait: float  # of one pause: who is told to wait longer gives up
    breaker: int  # failed requests in a row after which nothing more is sent


class Unanswered(Exception):
    """A request without an answer that can be used."""

    def __init__(self, reason: str, *, is_billed: bool, is_repeatable: bool = True, is_throttled: bool = False,
                 retry_after: float = 0.0) -> None:  # fmt: skip
        super().__init__(reason)
        self.is_billed, self.is_repeatable, self.is_throttled = is_billed, is_repeatable, is_throttled
        self.retry_after = retry_after


@dataclass
class Client:
    """An endpoint, and what is remembered of it from batch to batch."""

    endpoint: Endpoint
    failures: int = 0  # in a row
    resume_at: float = 0.0  # of the monotonic clock: the server wants to be left alone until then
    stopped: JudgeError | None = None  # why nothing more is sent

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Connections of the running event loop."""
        end = self.endpoint
        headers = {} if end.api_key is None else {"Authorization": f"Bearer {end.api_key}"}
        limits = httpx.Limits(max_connections=end.concurrency)
        async with httpx.AsyncClient(headers=headers, timeout=end.timeout, limits=limits) as http:
            yield Session(self, http, AsyncLimiter(1, end.spacing) if end.spacing > 0 else None)

    def count_failure(self, reason: str) -> None:
        """One more in a row.

        Raises:
            JudgeError: that was one too many.
        """
        self.failures += 1
        if self.failures >= self.endpoint.breaker:
            self.stop(
                f"judge.url={self.endpoint.url}: {self.failures} requests in a row failed, the last one: {reason}. "
                "What was answered is kept; go on when the server answers again"
            )

    def stop(self, message: str) -> NoReturn:
        """Send nothing more.

        Raises:
            JudgeError: always.
        """
        self.stopped = self.stopped or JudgeError(message)  # the first reason is the one to mend
        raise self.stopped


@dataclass(frozen=True)
class Session:
    """A client within an event loop."""

    client: Client
    http: httpx.AsyncClient
    limiter: AsyncLimiter | None

    async def ask(self, question: Question, store: Store, *, reserve: int, cap: int) -> tuple[Answer, int]:
        """An answer, and the number of its call, which is still to be settled.

        Args:
            question: what is asked.
            store: whose ledger every attempt is entered in.
            reserve: nano-dollars that an attempt costs at most.
            cap: nano-dollars of the whole ledger.

        Raises:
            Unanswered: no attempt had an answer.
            JudgeError: the budget, the key or an outage ends all asking.
        """
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.client.endpoint.attempts), wait=self._pause,
            retry=retry_if_exception(self._is_worth_another), reraise=True,
        )  # fmt: skip
        answered: tuple[Answer, int] = await retrying(self._attempt, question, store, reserve, cap)
        return answered

    async def _attempt(self, question: Question, store: Store, reserve: int, cap: int) -> tuple[Answer, int]:
        await self._turn()
        try:
            call = store.reserve(question.key, reserve, cap)
        except JudgeError as error:
            self.client.stopped = self.client.stopped or error
            raise
        started = time.monotonic()
        try:
            answer = await self._sent(question.body)
        except Unanswered as fault:
            _log.debug("judge: %s failed after %.2f s: %s", question.key[:12], time.monotonic() - started, fault)
            store.settle(call, None if fault.is_billed else 0, str(fault))
            if fault.retry_after <= self.client.endpoint.max_wait:  # nobody asks before that
                self.client.resume_at = max(self.client.resume_at, time.monotonic() + fault.retry_after)
            if not fault.is_throttled:
                self.client.count_failure(str(fault))
            raise
        _log.debug("judge: %s answered in %.2f s", question.key[:12], time.monotonic() - started)
        return answer, call

    async def _turn(self) -> None:
        if self.limiter is not None and self.client.stopped is None:
            await self.limiter.acquire()
        while self.client.stopped is None and (wait := self.client.resume_at - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if self.client.stopped is not None:
            raise self.client.stopped

    async def _sent(self, body: dict[str, Any]) -> Answer:
        end = self.client.endpoint
        try:
            async with asyncio.timeout(end.timeout):  # a server that drips never meets the limits of single reads
                return await self._answer(body)
        except TimeoutError:
            raise Unanswered(f"no whole answer within {end.timeout:g} s", is_billed=True) from None
        except httpx.RequestError as error:
            reason = f"{type(error).__name__} {error}".strip()
            raise Unanswered(reason, is_billed=not isinstance(error, _NOT_SENT)) from error

    async def _answer(self, body: dict[str, Any]) -> Answer:
        url = f"{self.client.endpoint.url.rstrip('/')}/chat/completions"
        async with self.http.stream("POST", url, json=body) as response:
            content, is_whole = await _content(response)
        if response.status_code != HTTPStatus.OK:
            self._refuse(response, content)
        try:
            return Answer.of(content)
        except ValueError:
            fault = "an answer that is no chat completion" if is_whole else "an answer that was cut off"
            raise Unanswered(f"{fault}: {self._shown(content)}", is_billed=True) from None

    def _refuse(self, response: httpx.Response, content: bytes) -> NoReturn:
        """The fault that a status stands for."""
        status = response.status_code
        reason = f"status {status}: {self._shown(content)}"
        if status in _HOPELESS:
            self.client.stopped = JudgeError(f"judge.url={self.client.endpoint.url}: {reason}")
            raise Unanswered(reason, is_billed=False, is_repeatable=False)
        is_throttled = status in _THROTTLED
        is_fault = status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise Unanswered(
            reason, is_billed=is_fault, is_repeatable=is_fault or is_throttled, is_throttled=is_throttled,
            retry_after=_retry_after(response.headers.get("Retry-After", "")),
        )  # fmt: skip

    def _shown(self, content: bytes) -> str:
        """The beginning of a server's words, which may hold the key that it refuses."""
        text = content[:200].decode(errors="replace").strip()
        key = self.client.endpoint.api_key
        return text.replace(key, "***") if key else text

    def _is_worth_another(self, error: BaseException) -> bool:
        if not isinstance(error, Unanswered) or self.client.stopped is not None:
            return False
        return error.is_repeatable and error.retry_after <= self.client.endpoint.max_wait

    def _pause(self, state: RetryCallState) -> float:
        end = self.client.endpoint
        error = state.outcome.exception() if state.outcome is not None else None
        asked_for = error.retry_after if isinstance(error, Unanswered) else 0.0
        return max(asked_for, wait_random_exponential(multiplier=end.backoff, max=end.max_wait)(state))


async def _content(response: httpx.Response) -> tuple[bytes, bool]:
    """What came of a body, and whether the server ended it itself."""
    content = bytearray()
    try:
        async for part in response.aiter_bytes():
            content += part
            if len(content) > MAX_BODY_BYTES:
                return bytes(content), False
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return bytes(content), False
    return bytes(content), True


def _retry_after(value: str) -> float:
    """Seconds, from a number of them or a date; 0 for neither."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # no date, or one without its zone
            return 0.0
    return seconds if 0 < seconds < math.inf else 0.0
