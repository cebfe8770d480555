"""A GRPO run read back from its log of completions, and its rewards and advantages computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor

from pathvlm_r1.assembly.datasets import load_samples, samples_hash
from pathvlm_r1.assembly.objectives import total_of
from pathvlm_r1.assembly.recording import recorded_config
from pathvlm_r1.assembly.rewards import recorded_terms
from pathvlm_r1.config import ConfigError, GRPOConfig, RewardConfig, TrainConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation import LoggedCompletion, LoggedRollout, read_rollouts
from pathvlm_r1.reward import Completion, CrossModalProcess, Missing, RewardTable, WeightedTerm, total_reward
from pathvlm_r1.stages import Credit
from pathvlm_r1.tracking import Manifest, RunFolder, TrackingError, read_manifest

Share = Sequence[Sequence[LoggedCompletion]]  # of one process, in groups


@dataclass(frozen=True)
class LoggedRun:
    """A run with every completion that it has learnt from."""

    folder: RunFolder
    manifest: Manifest
    config: TrainConfig
    stage: GRPOConfig
    samples: Mapping[str, Sample]
    rollouts: Sequence[LoggedRollout]

    @property
    def completions(self) -> list[LoggedCompletion]:
        """All of them, in the order of rollouts, processes, groups and places."""
        return [completion for rollout in self.rollouts for completion in rollout.completions]

    @property
    def pays_divergence(self) -> bool:
        """Whether the divergence from the reference is taken off the totals."""
        return self.stage.kl_in == "reward" and self.stage.beta > 0

    def completion(self, logged: LoggedCompletion) -> Completion:
        """A completion as a reward takes it, with what it was given."""
        return Completion(
            self.samples[logged.sample_id], logged.completion, logged.finish_reason, logged.token_count,
            recorded=logged.terms,
        )  # fmt: skip


@dataclass(frozen=True)
class Rewarded:
    """A rollout, all processes together, under some reward; P: their groups."""

    rollout: LoggedRollout
    terms: Mapping[str, Tensor]  # name -> [P, G] unweighted scores, NaN where there is none
    total: Tensor  # [P, G] as the objective has it
    advantages: Tensor  # [P, G]
    counted: Tensor  # [P, G] bool


def logged_run(path: Path) -> LoggedRun:
    """Read a run's manifest, data and log.

    Raises:
        ConfigError: it is no GRPO run, has no log, or its data have changed.
        TrackingError: there is no run, or its log is not whole.
    """
    manifest, folder = read_manifest(path), RunFolder(path)
    if manifest.stage != "grpo":
        raise ConfigError(f"run={path}: is of stage={manifest.stage}, which rewards nothing; name one of stage=grpo")
    if not folder.completions:
        raise ConfigError(
            f"run={path}: holds no {folder.completions_of(0).name}; a run keeps one under stage.log_completions=true"
        )
    config = recorded_config(manifest)
    assert isinstance(config.stage, GRPOConfig)  # noqa: S101  of the manifest's stage
    samples = load_samples(config.dataset, config.stage.split)
    if samples_hash(samples) != manifest.data.hash:
        raise ConfigError(f"run={path}: dataset={config.dataset.name} has changed since this run began")
    rollouts = read_rollouts(folder.completions)
    by_id = {sample.sample_id: sample for sample in samples}
    run = LoggedRun(folder, manifest, config, config.stage, by_id, rollouts)
    unknown = {logged.sample_id for logged in run.completions} - by_id.keys()
    if unknown:
        raise ConfigError(
            f"run={path}: {len(unknown)} samples of its log are not in split={config.stage.split} of "
            f"dataset={config.dataset.name}, the first: {min(unknown)}"
        )
    for rollout in rollouts:
        for share in rollout.shares:
            _require_credit(run, [logged for group in share for logged in group])
    return run


def _require_credit(run: LoggedRun, share: Sequence[LoggedCompletion]) -> None:
    """Refuse a share in which what stands between totals and advantages is not there as the run has it.

    Raises:
        TrackingError: divergences, or who was dealt whose total.
    """
    place = f"{run.folder.completions_of(share[0].process)}: rollout {share[0].rollout}"
    paid, dealt = (sum(value is not None for value in of) for of in (
        [logged.divergence for logged in share], [logged.dealt_from for logged in share],
    ))  # fmt: skip
    if paid != len(share) * run.pays_divergence:
        raise TrackingError(
            f"{place}: {paid} of {len(share)} completions have a divergence, and the run has stage.kl_in="
            f"{run.stage.kl_in} stage.beta={run.stage.beta:g}; restore the file"
        )
    is_dealt = run.stage.shuffle_rewards
    if dealt != len(share) * is_dealt or (
        is_dealt and sorted(logged.dealt_from or 0 for logged in share) != list(range(len(share)))
    ):
        raise TrackingError(
            f"{place}: dealt_from does not give each completion the total of another one, once, as "
            f"stage.shuffle_rewards={str(is_dealt).lower()} has it; restore the file"
        )


def rewarded(run: LoggedRun, reward: RewardConfig) -> Iterator[Rewarded]:
    """What every rollout is rewarded, and its advantages, under this reward and the run's own objective.

    Verdicts are those of the log, and so are divergences paid in reward and, of the negative control, whose total a
    completion was dealt. Groups that were sampled anew would be others under another reward: the log has the last ones.

    Raises:
        ConfigError: a term needs what the log lacks, or reward and objective do not go together.
        JudgeError: `reward.missing` is to stop, and the log lacks a verdict.
    """
    config = replace(run.config, reward=reward)  # checks them together
    terms, missing = recorded_terms(reward, Contract(), run.config.reward), Missing(reward.missing)
    _require_verdicts(run, reward, terms)
    total, advantages = total_of(config), instantiate(config.objective.advantage)
    for rollout in run.rollouts:
        shares = [[[run.completion(logged) for logged in group] for group in share] for share in rollout.shares]
        tables = [total_reward(share, terms, missing).at(rollout.steps_before) for share in shares]
        totals = [total(table) for table in tables]
        credited = [_credit(share, own, run.stage.beta) for share, own in zip(rollout.shares, totals, strict=True)]
        yield Rewarded(
            rollout,
            terms={name: torch.cat([table.terms[name] for table in tables]) for name in tables[0].terms},
            total=torch.cat(totals),
            advantages=advantages(torch.cat([credit.compared for credit in credited])),
            counted=torch.cat([_counted(run.stage, *pair) for pair in zip(rollout.shares, tables, strict=True)]),
        )


def _require_verdicts(run: LoggedRun, reward: RewardConfig, terms: Sequence[WeightedTerm]) -> None:
    is_judged = any(isinstance(one.term, CrossModalProcess) for one in terms)
    if is_judged and any("process" not in logged.terms for logged in run.completions):
        raise ConfigError(
            f"reward={reward.name}: its process term needs a judge's verdicts, and this run, of "
            f"reward={run.config.reward.name}, has none in its log; take a reward without it: reward=accuracy_format"
        )


def _credit(share: Share, total: Tensor, beta: float) -> Credit:
    flat = [logged for group in share for logged in group]
    divergences = [logged.divergence for logged in flat if logged.divergence is not None]
    order = [logged.dealt_from for logged in flat if logged.dealt_from is not None]
    return Credit(
        total, beta,
        divergence=total.new_tensor(divergences).view_as(total) if divergences else None,
        order=torch.tensor(order) if order else None,
    )  # fmt: skip


def _counted(stage: GRPOConfig, share: Share, rewards: RewardTable) -> Tensor:
    if not stage.filter_truncated:
        return rewards.counted
    is_capped = torch.tensor([[logged.finish_reason == "length" for logged in group] for group in share])
    return rewards.counted & ~is_capped
