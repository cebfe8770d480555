"""Predictions: one line per scored completion, with all that is needed to score it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pathvlm_r1.contract import EvaluationContract
from pathvlm_r1.reward import Completion, Score, Verdict


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A completion with what the contract read in it and what the reward terms said of it."""

    sample_id: str
    image_id: str
    dataset: str
    question_type: str
    decode: int  # 0 for the first, or only, decode of the question
    contract: str
    prompt_hash: str  # SHA-256 of the prompt's text
    completion: str
    answer: str | None  # as parsed
    reference: str
    is_correct: bool
    is_formatted: bool
    process: float | None  # None: no verdict
    events: dict[str, bool] | None  # of the rubric
    completion_tokens: int
    is_capped: bool
    likeliest_letter: str | None = None  # by option log-probability, where that was asked for
    judged_by: dict[str, object] | None = None  # who decided the events, under which versions; of a panel, how each
    scores: dict[str, float | None] | None = None  # raw, of every reward term; None in what older versions wrote
    cap: int | None = None  # tokens that the completion might have had; here and below: None in older versions
    is_guessed: bool = False  # a contract's own fallback chose the answer
    checkpoint_hash: str | None = None  # of the weights, or the hub id
    data_hash: str | None = None  # of all questions that were asked together
    options: list[str] | None = None  # in the order of their letters; None of an open question too


def predict(
    completion: Completion, decode: int, *, contract: EvaluationContract, scores: Mapping[str, Score],
    likeliest_letter: str | None = None, cap: int | None = None,
) -> Prediction:  # fmt: skip
    """Read one completion, which the reward terms have scored, under a contract."""
    sample = completion.sample
    parsed = contract.read(completion.text, sample)
    process = scores.get("process")
    verdict = None if process is None else process.verdict
    return Prediction(
        sample_id=sample.sample_id,
        image_id=sample.image_id,
        dataset=sample.dataset,
        question_type=sample.question_type,
        decode=decode,
        contract=contract.name,
        prompt_hash=hashlib.sha256(contract.prompt(sample).encode()).hexdigest(),
        completion=completion.text,
        answer=parsed.answer,
        reference=sample.answer,
        is_correct=parsed.answer == sample.answer,
        is_formatted=parsed.is_formatted,
        process=None if process is None else process.value,
        events=None if process is None or process.events is None else asdict(process.events),
        completion_tokens=completion.token_count,
        is_capped=completion.is_capped,
        likeliest_letter=None if sample.is_open else likeliest_letter,
        judged_by=None if verdict is None else _judged_by(verdict),
        scores={name: score.value for name, score in scores.items()},
        cap=cap,
        is_guessed=parsed.is_guessed,
        options=None if sample.is_open else list(sample.options),
    )


def _judged_by(verdict: Verdict) -> dict[str, object]:
    """Provenance; of a panel also its rule, what each member decided, and the share of pairs that differ by event."""
    described = asdict(verdict.provenance)
    if verdict.members:
        described |= {"rule": verdict.rule, "disagreement": verdict.disagreement}
        described["members"] = {
            name: {**asdict(member.provenance), "events": member.events and asdict(member.events)}
            for name, member in verdict.members.items()
        }
    return described


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """JSON Lines."""
    lines = [json.dumps(asdict(prediction), ensure_ascii=False) + "\n" for prediction in predictions]
    path.write_text("".join(lines), encoding="utf-8")


def read_predictions(path: Path) -> list[Prediction]:
    """What `write_predictions` wrote.

    Raises:
        ValueError: a line that is not a prediction; names file and line.
    """
    predictions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        try:
            predictions.append(Prediction(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number}: not a prediction ({error}); evaluate the run again") from error
    return predictions
