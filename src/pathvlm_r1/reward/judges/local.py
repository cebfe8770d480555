"""A judge in this process: a chat model that is asked what `judge=openai` asks, and whose answers are kept likewise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.judges.answer import SCHEMA_VERSION, Answer, read
from pathvlm_r1.reward.judges.missing import require_enough
from pathvlm_r1.reward.judges.question import Asking, Question
from pathvlm_r1.reward.judges.store import Store, opened
from pathvlm_r1.reward.verdict import Provenance, Verdict

_NO_CAP = 2**62  # nano-dollars: nothing is paid, whatever else the ledger holds


class LocalChat(Protocol):
    """A model that answers requests without a server."""

    @property
    def revision(self) -> str:
        """Of its weights."""
        ...

    @property
    def decoding(self) -> str:
        """What else its answers depend on, such as its precision."""
        ...

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer for each, in order."""
        ...


@dataclass(frozen=True)
class LocalJudge:
    """Asks a chat model in batches, and keeps what it answered; what is no verdict is missing, with the reason.

    Args:
        asking: how a completion becomes a request.
        load: gives the model, when it is first asked.
        rows_per_batch: requests that it answers together.
        cache: file of answers.
        is_voiding: an event whose evidence does not stand in the completion is not present.
        max_missing_share: of a batch, without a verdict, above which the run ends.
    """

    asking: Asking
    load: Callable[[], LocalChat]
    rows_per_batch: int
    cache: Path
    is_voiding: bool
    max_missing_share: float
    name: str = "local"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """One verdict for each completion, in order.

        Raises:
            JudgeError: too many have none.
        """
        if not completions:
            return []
        with opened(self.cache) as store:  # one thread at a time also loads the model
            chat = self.load()
            asking = replace(self.asking, identity=f"{chat.revision} {chat.decoding}")
            questions = asking.questions(completions)
            distinct = {question.key: question for question in questions}
            kept = {key: answer for key in distinct if (answer := store.answer(key)) is not None}
            asked = self._asked([distinct[key] for key in distinct if key not in kept], chat, store)
        verdicts, seen = [], set(kept)
        for question in questions:
            answer = (kept | asked)[question.key]
            verdicts.append(self._verdict(question, answer, chat.revision, is_cached=question.key in seen))
            seen.add(question.key)
        missing = [verdict.reason for verdict in verdicts if verdict.events is None]
        require_enough(missing, len(verdicts), self.max_missing_share)
        return verdicts

    def _asked(self, questions: Sequence[Question], chat: LocalChat, store: Store) -> dict[str, Answer]:
        """By key; every batch is kept when it is there, so that a kill loses one."""
        found: dict[str, Answer] = {}
        for start in range(0, len(questions), self.rows_per_batch):
            batch = questions[start : start + self.rows_per_batch]
            for question, answer in zip(batch, chat(batch), strict=True):
                store.keep(store.reserve(question.key, 0, _NO_CAP), question, 0, answer)
                found[question.key] = answer
        return found

    def _verdict(self, question: Question, answer: Answer, revision: str, *, is_cached: bool) -> Verdict:
        usage = None if is_cached else answer.usage
        provenance = Provenance(
            judge=self.name,
            model=answer.model,
            revision=revision,
            prompt=self.asking.prompt.version,
            schema=SCHEMA_VERSION,
            is_cached=is_cached,
            input_tokens=0 if usage is None else usage.prompt_tokens,
            output_tokens=0 if usage is None else usage.completion_tokens,
        )
        reading = read(answer, question.completion.text, is_voiding=self.is_voiding)
        return Verdict(reading.events, reading.reason, provenance, reading.unfound)
