"""`evaluation=judge_quality`: greedy answers graded by a language model, for each checkpoint and dataset."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from pathvlm_r1.assembly.candidates import Candidate
from pathvlm_r1.assembly.generating import Respondent
from pathvlm_r1.assembly.judging import quality_judge_of
from pathvlm_r1.config import GREEDY_ANSWERS, EvalConfig, JudgeQualityConfig, OpenAIJudgeConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.stream import shuffled_index
from pathvlm_r1.evaluation import GradedAnswer, Group, QualityRow, completion_of, quality_row, write_graded
from pathvlm_r1.reward import Completion
from pathvlm_r1.reward.judges import QualityJudge
from pathvlm_r1.tracking import TrackingError, progress_over, read_manifest, write_atomically

GRADED_TOGETHER = 64  # completions; what they cost is kept, and a judge that ends the run ends it there

_log = logging.getLogger(__name__)


def require_quality_judge(config: EvalConfig) -> None:
    """Refuse a judge that cannot be asked, before anything is loaded.

    Raises:
        ConfigError: its key or its prompt is not there.
    """
    quality_judge_of(_judge_of(config))


def judge_quality(config: EvalConfig, candidate: Candidate, datasets: Sequence[Sequence[Sample]]) -> list[QualityRow]:
    """A row for every dataset; what each answer had stands in the run's folder.

    Raises:
        JudgeError: the budget, an outage or too many missing grades end it.
    """
    judge, rows = quality_judge_of(_judge_of(config)), []
    respondent = Respondent(config, GREEDY_ANSWERS, candidate.model, candidate.folder.generations)
    is_rewarder = rewards(_judge_of(config), candidate)
    if is_rewarder:
        _log.warning(
            "evaluation_judge.model=%s rewarded the training of %s: it is no independent judge of it",
            _judge_of(config).model, candidate.folder.path,
        )  # fmt: skip
    for samples in (_drawn(config, of_dataset) for of_dataset in datasets):
        label = f"{candidate.arm} s{candidate.seed} on {samples[0].dataset}"
        groups = respondent.generated(samples, Contract(), label=label, with_letters=candidate.arm == "base")
        answers = _graded(config, judge, samples, groups, is_rewarder=is_rewarder)
        path = candidate.folder.qualities / f"{samples[0].dataset}.{config.split}.{config.evaluation.name}.jsonl"
        write_atomically(path, lambda partial, answers=answers: write_graded(partial, answers))  # type: ignore[misc]
        row = quality_row(
            answers, arm=candidate.arm, split=config.split, seed=candidate.seed,
            random=np.random.default_rng(config.seed), replicates=config.evaluation.replicates,
        )  # fmt: skip
        grades = ", ".join(f"{name} {value:.3f}" for name, value in row.grades.items())
        _log.info(
            "%s on %s, graded by %s: %s; %.1f tokens, %d of %d graded, %.4f USD -> %s",
            row.stage, row.dataset, row.judge, grades, row.mean_completion_tokens, row.graded, row.n, row.cost_usd,
            path,
        )  # fmt: skip
        rows.append(row)
    return rows


def rewards(judge: OpenAIJudgeConfig, candidate: Candidate) -> bool:
    """Whether the same model decided the rewards that these weights learned from."""
    try:
        recorded = read_manifest(candidate.folder.path).config.get("judge") or {}
    except TrackingError:  # no run of ours
        return False
    judges = [recorded, *(recorded.get("members") or {}).values()]
    return any(one.get("name") == "openai" and one.get("model") == judge.model for one in judges)


def _judge_of(config: EvalConfig) -> OpenAIJudgeConfig:
    if not isinstance(config.evaluation_judge, OpenAIJudgeConfig):
        raise TypeError("evaluation_judge is no language model")
    return config.evaluation_judge


def _drawn(config: EvalConfig, samples: Sequence[Sample]) -> list[Sample]:
    """So many questions as are graded, drawn by the seed alone: no output has a say."""
    if not isinstance(config.evaluation, JudgeQualityConfig) or config.evaluation.n >= len(samples):
        return list(samples)
    drawn = [shuffled_index(len(samples), place, seed=config.seed) for place in range(config.evaluation.n)]
    return [samples[index] for index in sorted(drawn)]


def _graded(
    config: EvalConfig, judge: QualityJudge, samples: Sequence[Sample], groups: Sequence[Group], *, is_rewarder: bool
) -> list[GradedAnswer]:
    completions = [completion_of(group[0], sample) for group, sample in zip(groups, samples, strict=True)]
    starts = range(0, len(completions), GRADED_TOGETHER)
    portions = (judge(completions[start : start + GRADED_TOGETHER]) for start in starts)
    graded = [one for portion in progress_over(portions, "graded", len(starts)) for one in portion]
    asked, contract = _judge_of(config), Contract()
    return [
        GradedAnswer(
            sample_id=completion.sample.sample_id, image_id=completion.sample.image_id,
            dataset=completion.sample.dataset, contract=contract.name, completion=completion.text,
            completion_tokens=completion.token_count, is_correct=_is_right(completion, contract),
            grades=None if one.qualities is None else one.qualities.model_dump(), reason=one.reason,
            model=asked.model, prompt=asked.prompt, is_rewarder=is_rewarder, cost_usd=one.provenance.cost_usd,
        )
        for completion, one in zip(completions, graded, strict=True)
    ]  # fmt: skip


def _is_right(completion: Completion, contract: Contract) -> bool:
    return contract.read(completion.text, completion.sample).answer == completion.sample.answer
