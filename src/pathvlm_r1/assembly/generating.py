"""The completions of a checkpoint under a contract: kept from before, or generated now and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock

from pathvlm_r1 import __version__
from pathvlm_r1.assembly.datasets import samples_hash
from pathvlm_r1.assembly.engines import engine_of
from pathvlm_r1.assembly.evaluating import answering_policy, decoding_of
from pathvlm_r1.assembly.identity import reader_identity, weights_identity
from pathvlm_r1.assembly.policies import LoadedPolicy, encoder_of
from pathvlm_r1.config import EvalConfig, EvaluationConfig, ModelConfig
from pathvlm_r1.contract import EvaluationContract
from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation import Asker, GenerationFile, Group, portion_of
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.tracking import content_hash, progress_over


@dataclass
class Respondent:
    """A checkpoint that answers; its weights are loaded when the first question is not answered yet."""

    config: EvalConfig
    evaluation: EvaluationConfig  # how it decodes
    model: ModelConfig
    folder: Path  # where its completions are kept

    @cached_property
    def checkpoint_hash(self) -> str:
        """Of the weights; a hub id stands for itself."""
        return weights_identity(self.model.checkpoint)

    @cached_property
    def loaded(self) -> LoadedPolicy:
        """The weights as they stand."""
        return answering_policy(self.model, self.config.trainer)

    def generated(
        self, samples: Sequence[Sample], contract: EvaluationContract, *, label: str, with_letters: bool
    ) -> list[Group]:
        """The completions that a contract asks for, one group for each sample.

        Args:
            samples: the questions.
            contract: how they are asked.
            label: for the progress.
            with_letters: also the likeliest option letter of each.

        Raises:
            TrackingError: the file of completions cannot be read or written.
        """
        identity = self._identity(samples, contract, with_letters=with_letters)
        path = self.folder / f"{samples[0].dataset}.{content_hash(identity)[:16]}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = GenerationFile(path, identity)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if self.config.fresh:
                path.unlink(missing_ok=True)
            return self._completed(file, samples, contract, label=label, with_letters=with_letters)

    def _completed(
        self, file: GenerationFile, samples: Sequence[Sample], contract: EvaluationContract, *, label: str,
        with_letters: bool,
    ) -> list[Group]:  # fmt: skip
        """What the file has, and what it lacks."""
        evaluation, rows = self.evaluation, self.config.rollout.rows_per_batch
        names = [sample.sample_id for sample in samples]
        portion = portion_of(rows, evaluation.samples)
        groups = file.kept(names, decodes=evaluation.samples, portion=portion)
        if len(groups) == len(samples):
            return groups
        ask = self._asker(contract)
        portions = ask(self.loaded.policy, samples, seed=self.config.seed, with_letters=with_letters, start=len(groups))

        def kept() -> Iterator[Group]:
            for answered in portions:
                file.append(answered)
                yield from answered

        return list(progress_over(chain(groups, kept()), label, len(samples)))

    def _asker(self, contract: EvaluationContract) -> Asker:
        asking = contract.asking
        encoder = self.loaded.encoder
        if asking.max_pixels is not None:
            encoder = encoder_of(replace(self.model, max_pixels=asking.max_pixels), min_pixels=asking.min_pixels)
        cap, longest = caps(self.model, contract, self.config.raise_cap_to)
        return Asker(
            encoder=SampleEncoder(encoder, contract),
            engine=engine_of(self.config.rollout, encoder.end_ids),
            decoding=decoding_of(self.evaluation, cap),
            decodes=self.evaluation.samples,
            longest=longest,
        )

    def _identity(
        self, samples: Sequence[Sample], contract: EvaluationContract, *, with_letters: bool
    ) -> dict[str, Any]:
        """Everything that decides the completions; two contracts that ask alike have the same."""
        config, (cap, longest) = self.config, caps(self.model, contract, self.config.raise_cap_to)
        decoding = decoding_of(self.evaluation, cap)
        return {
            "version": __version__,
            "checkpoint": self.checkpoint_hash,
            "reader": reader_identity(self.model.checkpoint),
            "data": samples_hash(samples),
            "prompts": content_hash({"prompts": [contract.prompt(sample) for sample in samples]}),
            "asking": asdict(contract.asking) | {"max_completion_tokens": longest},
            "max_pixels": self.model.max_pixels,
            "decoding": asdict(decoding) | {"decodes": self.evaluation.samples},
            "seed": config.seed if decoding.temperature > 0 else None,
            "engine": {"name": config.rollout.name, "rows_per_batch": config.rollout.rows_per_batch},
            "trainer": {key: str(config.trainer.get(key)) for key in ("precision", "accelerator")},
            "with_letters": with_letters,
        }


def caps(model: ModelConfig, contract: EvaluationContract, raise_cap_to: int | None) -> tuple[int, int]:
    """Tokens of a completion: at first, and at most after the cap was raised.

    A contract's own length is never exceeded; without raising it is the cap, where the contract has one.
    """
    own = contract.asking.max_completion_tokens
    if raise_cap_to is None:
        cap = model.max_completion_tokens if own is None else own
        return cap, cap
    longest = max(model.max_completion_tokens, raise_cap_to) if own is None else own
    return min(model.max_completion_tokens, longest), longest
