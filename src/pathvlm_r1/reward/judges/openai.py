"""A judge behind any OpenAI-compatible endpoint: each distinct completion is asked about once, ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.judges.answer import Answer, read
from pathvlm_r1.reward.judges.client import Client, Session, Unanswered
from pathvlm_r1.reward.judges.missing import require_enough
from pathvlm_r1.reward.judges.question import Asking, Question
from pathvlm_r1.reward.judges.store import NANO, Store, opened
from pathvlm_r1.reward.verdict import Provenance, Verdict

_LOCK_POLL_SECONDS = 0.05  # while another process asks the same
_TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What may be spent, in USD; prices are those of a million tokens."""

    input_price: float
    output_price: float
    image_tokens: int  # that a picture is charged as, at most
    max_cost: float  # of all that the ledger holds

    @property
    def cap(self) -> int:
        """Nano-dollars of the whole ledger."""
        return int(self.max_cost * NANO)

    def cost(self, input_tokens: int, output_tokens: int) -> int:
        """Nano-dollars, rounded up."""
        price = input_tokens * self.input_price + output_tokens * self.output_price
        return ceil(price * NANO / _TOKENS_PER_PRICE)

    def reserve(self, question: Question, max_tokens: int) -> int:
        """Nano-dollars that a request costs at most: no tokeniser makes more tokens of a text than it has bytes."""
        return self.cost(question.text_bytes + question.pictures * self.image_tokens, max_tokens)


@dataclass(frozen=True)
class _Outcome:
    """What became of one question."""

    answer: Answer | None
    reason: str = ""  # of no answer
    cost: int = 0  # nano-dollars
    is_cached: bool = False


@dataclass(frozen=True)
class Reply:
    """What became of the question about one completion."""

    completion: Completion
    answer: Answer | None
    reason: str  # of no answer
    provenance: Provenance


@dataclass(frozen=True)
class OpenAIJudge:
    """Asks a chat model, concurrently, and keeps what it answered; what it cannot answer has no verdict.

    Args:
        asking: how a completion becomes a request.
        client: where requests go.
        budget: what they may cost.
        cache: file of answers and costs.
        is_voiding: an event whose evidence does not stand in the completion is not present.
        max_missing_share: of a batch, without a verdict, above which the run ends.
    """

    asking: Asking
    client: Client
    budget: Budget
    cache: Path
    is_voiding: bool
    max_missing_share: float
    name: str = "openai"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """One verdict for each completion, in order.

        Raises:
            JudgeError: the budget, an outage or too many missing verdicts end the run.
        """
        verdicts = [self._verdict(reply) for reply in self.replies(completions)]
        missing = [verdict.reason for verdict in verdicts if verdict.events is None]
        require_enough(missing, len(verdicts), self.max_missing_share)
        return verdicts

    def replies(self, completions: Sequence[Completion]) -> list[Reply]:
        """What was answered about each completion, in order, before anything is read in it.

        Raises:
            JudgeError: the budget or an outage ends the run.
        """
        if not completions:
            return []
        with opened(self.cache) as store:
            return asyncio.run(self._ask(completions, store))

    async def _ask(self, completions: Sequence[Completion], store: Store) -> list[Reply]:
        questions = self.asking.questions(completions)
        distinct = {question.key: question for question in questions}
        slots = asyncio.Semaphore(self.client.endpoint.concurrency)
        async with self.client.session() as session:
            asking = [self._outcome(question, session, store, slots) for question in distinct.values()]
            ended = await asyncio.gather(*asking, return_exceptions=True)  # what is under way is paid: let it end
        if self.client.stopped is not None:
            raise self.client.stopped
        faults = [outcome for outcome in ended if isinstance(outcome, BaseException)]
        if faults:
            raise faults[0]
        outcomes = {key: outcome for key, outcome in zip(distinct, ended, strict=True) if isinstance(outcome, _Outcome)}
        replies, paid = [], set[str]()
        for question in questions:
            replies.append(self._reply(question, outcomes[question.key], is_first=question.key not in paid))
            paid.add(question.key)
        return replies

    async def _outcome(
        self, question: Question, session: Session, store: Store, slots: asyncio.Semaphore
    ) -> _Outcome:  # fmt: skip
        """From the store or, one process at a time, from the server."""
        async with slots:
            while not store.try_lock(question.key):
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            try:
                kept = store.answer(question.key)
                if kept is not None:
                    return _Outcome(kept, is_cached=True)
                return await self._paid(question, session, store)
            finally:
                store.unlock(question.key)

    async def _paid(self, question: Question, session: Session, store: Store) -> _Outcome:
        reserve = self.budget.reserve(question, self.asking.max_tokens)
        try:
            answer, call = await session.ask(question, store, reserve=reserve, cap=self.budget.cap)
        except Unanswered as fault:
            return _Outcome(None, f"no answer: {fault}")
        usage = answer.usage
        cost = reserve if usage is None else self.budget.cost(usage.prompt_tokens, usage.completion_tokens)
        if answer.model != self.asking.model:
            reason = f"answered by {answer.model}, judge.model={self.asking.model} was asked"
            store.settle(call, cost, reason)
            self.client.count_failure(reason)
            return _Outcome(None, reason, cost)
        store.keep(call, question, cost, answer)
        self.client.failures = 0
        if cost > reserve:  # the cap holds only if no request costs more than was set aside for it
            self.client.stop(
                f"judge.image_tokens={self.budget.image_tokens}: a request cost {cost / NANO:.6f} USD, and at most "
                f"{reserve / NANO:.6f} were set aside; raise it, or correct judge.prices"
            )
        return _Outcome(answer, cost=cost)

    def _reply(self, question: Question, outcome: _Outcome, *, is_first: bool) -> Reply:
        answer = outcome.answer
        is_cached = outcome.is_cached or (answer is not None and not is_first)
        usage = None if answer is None or is_cached else answer.usage
        provenance = Provenance(
            judge=self.name,
            model=None if answer is None else answer.model,
            revision=None if answer is None else answer.system_fingerprint,
            prompt=self.asking.prompt.version,
            schema=self.asking.schema_version,
            is_cached=is_cached,
            input_tokens=0 if usage is None else usage.prompt_tokens,
            output_tokens=0 if usage is None else usage.completion_tokens,
            cost_usd=outcome.cost / NANO if is_first else 0.0,
        )
        return Reply(question.completion, answer, outcome.reason, provenance)

    def _verdict(self, reply: Reply) -> Verdict:
        if reply.answer is None:
            return Verdict(None, reply.reason, reply.provenance)
        reading = read(reply.answer, reply.completion.text, is_voiding=self.is_voiding)
        return Verdict(reading.events, reading.reason, reply.provenance, reading.unfound)
