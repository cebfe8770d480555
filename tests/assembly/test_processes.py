import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from pytorch_lightning.utilities import rank_zero_only
from running import TINY, composed

from pathvlm_r1.assembly.parents import implied_parent, parent_command
from pathvlm_r1.assembly.processes import (
    RUN_FOLDER,
    Processes,
    handed_on,
    processes_of,
    refuse_missing_gpu,
    refuse_shared_server,
    refuse_undivided,
)
from pathvlm_r1.config import ConfigError, TrainConfig
from pathvlm_r1.tracking import RunFolder


def config_of(*overrides):
    return TrainConfig.checked(composed("train", *TINY, *overrides))


def stage_of(*overrides):
    return config_of(*overrides).stage


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({"devices": 1}, 1),
        ({"devices": "auto"}, 1),
        ({"devices": 2, "strategy": "ddp"}, 2),
        ({"devices": 3, "num_nodes": 2, "strategy": "ddp"}, 6),
    ],
)
def test_processes_are_counted_as_lightning_would_launch_them(keys, count, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    before = dict(os.environ)
    assert processes_of({"accelerator": "cpu", **keys}) == Processes(count, rank=0)
    assert dict(os.environ) == before


def test_a_launched_process_knows_its_rank(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(rank_zero_only, "rank", 0)  # Lightning sets it; put back for the tests after this one
    processes = processes_of({"accelerator": "cpu", "devices": 2, "strategy": "ddp"})
    assert processes == Processes(2, rank=1)
    assert not processes.is_first


def test_what_lightning_refuses_is_a_fault_of_the_trainers_keys():
    with pytest.raises(ConfigError, match=r"trainer: .*strategy"):
        processes_of({"accelerator": "cpu", "devices": 2, "strategy": "telepathy"})


@pytest.mark.parametrize(
    ("overrides", "count", "message"),
    [
        (("stage=sft",), 3, "stage.rows_per_step=4: 3 processes must share it equally, as they do 3 or 6"),
        (("stage=grpo",), 3, "stage.prompts_per_step=2: 3 processes must share it equally, as they do 3"),
        (
            ("stage=grpo", "stage.group_size=2", "stage.minibatches=4"), 2,
            r"stage.minibatches=4: must divide stage.prompts_per_step \* stage.group_size / 2 processes = 2",
        ),
        (("stage=pretrain",), 2, "stage=pretrain: trains in one process, trainer.* asks for 2"),
    ],
)  # fmt: skip
def test_a_batch_that_processes_cannot_share_is_refused_with_its_key(overrides, count, message):
    stage = stage_of(*overrides)
    refuse_undivided(stage, 1)
    with pytest.raises(ConfigError, match=message):
        refuse_undivided(stage, count)


def test_a_batch_that_processes_share_equally_is_taken():
    refuse_undivided(stage_of("stage=sft"), 4)
    refuse_undivided(stage_of("stage=grpo"), 2)


def test_several_processes_are_refused_a_server_that_follows_one():
    server, local = config_of("stage=grpo", "rollout=vllm").rollout, config_of("stage=grpo").rollout
    refuse_shared_server(server, 1)
    refuse_shared_server(local, 2)
    with pytest.raises(ConfigError, match=r"rollout=vllm: its server follows one process, trainer.\* asks for 2"):
        refuse_shared_server(server, 2)


def test_a_runs_folder_stands_in_the_environment_only_while_it_is_handed_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with handed_on(RunFolder(Path("run"))):
        assert os.environ[RUN_FOLDER] == str(tmp_path / "run"), "whatever the others' working directory is"
    assert RUN_FOLDER not in os.environ


@pytest.mark.medium
@pytest.mark.parametrize(
    "typed",
    [
        ("stage=grpo", "reward=dual", "trainer.max_steps=7", "seed=3", "dataset.seed=4", "trainer.precision=64-true"),
        ("stage=grpo", "stage.parent_seed=5", "stage.beta=0", "objective=dr_grpo", "model.recipe.grpo.max_steps=9"),
        ("experiment=bccd", "stage=grpo", "dataset.root=/some where/BCCD", "output=runs"),
        ("experiment=shuffled_rewards", "model.recipe.sft.learning_rate=1e-3"),
        ("experiment=sft_continued", "stage.max_steps=9", "adapter=lora", "+trainer.strategy=ddp"),
    ],
)
def test_the_parents_command_composes_what_is_looked_for(typed):
    child = composed("train", *typed)
    command = shlex.split(parent_command(typed, child))
    assert command[:3] == ["python", "src/train.py", "stage=sft"]
    wanted, given = TrainConfig.checked(implied_parent(child)), TrainConfig.checked(composed("train", *command[2:]))
    for part in ("stage", "adapter", "dataset", "trainer", "seed", "output"):
        assert getattr(given, part) == getattr(wanted, part)
    assert replace(given.model, recipe=None) == replace(wanted.model, recipe=None)


def test_flex_attention_is_refused_where_a_cpu_trains():
    asked = stage_of("stage=grpo", "stage.packed_attention=flex")
    refuse_missing_gpu(asked, "cuda")
    refuse_missing_gpu(stage_of("stage=grpo"), "cpu")
    with pytest.raises(ConfigError, match=r"packed_attention=flex: .* on a GPU alone, trainer\.\* takes the cpu"):
        refuse_missing_gpu(asked, "cpu")
