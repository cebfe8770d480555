"""Whole runs at nano size: composed as the entry points compose them, in this process or as a command of their own."""

from __future__ import annotations

import csv
import io
import logging
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from safetensors.torch import load_file

from pathvlm_r1.assembly import Launch, evaluate, logged_runs, train, training
from pathvlm_r1.config import EvalConfig
from pathvlm_r1.evaluation import ResultRow
from pathvlm_r1.reward import Completion, RewardTerm, Score, WeightedTerm
from pathvlm_r1.tracking import Manifest, RunFolder, manifests_below

ROOT = Path(__file__).parents[2]
LIGHTNING_WARNINGS = [  # what the entry points keep from users too
    pytest.mark.filterwarnings("ignore:Found .* module.s. in eval mode:UserWarning"),  # nothing but LoRA has dropout
    pytest.mark.filterwarnings("ignore:You have overridden `transfer_batch_to_device`:UserWarning"),  # on purpose
    pytest.mark.filterwarnings("ignore:The '?train_dataloader'? does not have many workers"),  # samples are in memory
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning"),  # torch 2.13
]

TINY_DATA = (
    "dataset.splits={sft: 6, rl: 4, validation: 4, test: 6}", "dataset.out_of_domain=[phantom_ct]",
    "model.max_completion_tokens=16",
)  # fmt: skip
TINY_SFT = (
    *TINY_DATA, "logger=csv", "model.recipe.sft.max_steps=2", "model.recipe.sft.rows_per_step=4",
    "model.recipe.sft.rows_per_forward=4", "model.recipe.sft.validation_every=2",
)  # fmt: skip
TINY = (
    *TINY_SFT,
    "model.recipe.grpo.max_steps=4",
    "model.recipe.grpo.prompts_per_step=2",
    "model.recipe.grpo.validation_every=4",
)
TINY_GRPO = ("stage=grpo", "stage.group_size=4", "stage.temperature=1.5", "trainer.max_steps=2")
SMALL = "change={splits: {sft: 6, rl: 4, validation: 4, test: 6}, image_size: 56}"
MIXTURE = ("dataset=mixture", f"dataset.sources.phantom.{SMALL}", f"dataset.sources.phantom_ct.{SMALL}")


@dataclass(frozen=True)
class Brevity:
    """A reward in which completions differ whatever the weights: those of a tiny run know no answer."""

    name: str = "accuracy"

    def __call__(self, completion: Completion) -> Score:
        return Score(value=1 / (1 + len(completion.text)), reason="brevity")


def reward_alone(patch: pytest.MonkeyPatch, term: RewardTerm) -> None:
    """Let GRPO learn from this term alone, and let its log be held against it."""
    for module, name in ((training, "reward_terms"), (logged_runs, "recorded_terms")):
        patch.setattr(module, name, lambda *_: [WeightedTerm(term, 1.0)])


def reward_brevity(patch: pytest.MonkeyPatch) -> None:
    """Let GRPO learn from `Brevity` alone."""
    reward_alone(patch, Brevity())


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


def composed(name: str, *overrides: str):
    """As `python src/<name>.py <overrides>` composes it."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose(name, list(overrides))


def of_mixture(*typed: str) -> tuple[str, ...]:
    """The same of a small mixture."""
    return (*(one for one in typed if not one.startswith("dataset.")), *MIXTURE)


def trained(output: Path, *overrides: str) -> RunFolder:
    """One tiny training run."""
    return train(composed("train", *TINY, f"output={output}", *overrides), Launch())


def resumed(run: RunFolder) -> RunFolder:
    """The same run after `resume=`."""
    return train(composed("train", f"resume={run.path}"), Launch())


def evaluated(*overrides: str) -> list[ResultRow]:
    """One evaluation of few questions."""
    settings = composed("eval", *TINY_DATA, "raise_cap_to=null", "evaluation.replicates=50", *overrides)
    return evaluate(EvalConfig.checked(settings))


def entry(name: str, *arguments: str) -> Outcome:
    """The entry point itself with these arguments, in this process."""
    out, err, root = io.StringIO(), io.StringIO(), logging.getLogger()
    handlers, level, argv, status = list(root.handlers), root.level, sys.argv, 0
    environment = dict(os.environ)
    GlobalHydra.instance().clear()
    sys.argv = [f"{name}.py", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            runpy.run_path(str(ROOT / "src" / f"{name}.py"), run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv, root.handlers = argv, handlers  # hydra's handlers hold the streams of this call
        root.setLevel(level)
        os.environ.clear()  # wandb leaves the address of its service, and a command started later would use it
        os.environ.update(environment)
        GlobalHydra.instance().clear()
    return Outcome(status, out.getvalue(), err.getvalue())


def started(name: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """The entry point as a command of its own in another working directory."""
    return subprocess.Popen(  # noqa: S603  our own script
        [sys.executable, str(ROOT / "src" / f"{name}.py"), *arguments], cwd=cwd, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def command(name: str, *arguments: str, cwd: Path) -> Outcome:
    """The same, to its end."""
    process = started(name, *arguments, cwd=cwd)
    stdout, stderr = process.communicate()
    return Outcome(process.returncode, stdout, stderr)


def runs_below(output: Path) -> list[tuple[RunFolder, Manifest]]:
    """Every run with its manifest, in the order of their start."""
    return sorted(manifests_below(output), key=lambda one: one[1].started_at)


def exported(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.export / "model.safetensors")


def last_weights(run: RunFolder) -> dict[str, torch.Tensor]:
    """The weights after the last step, whichever were exported."""
    return torch.load(run.last_checkpoint, weights_only=True)["state_dict"]


def are_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def metrics(run: RunFolder) -> list[dict[str, str]]:
    with run.metrics.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@contextmanager
def interrupted_in_batch(module: type, number: int) -> Iterator[None]:
    """Ctrl-C in the middle of the training batch of this number, counted from 1."""
    original, calls = module.training_step, []

    def training_step(self, batch):
        calls.append(batch)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "training_step", training_step)
        yield
