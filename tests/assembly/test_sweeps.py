import pytest

from pathvlm_r1.assembly import what_differs


@pytest.mark.parametrize(
    ("arguments", "run", "difference"),
    [
        (
            ["-m", "stage=grpo", "reward=accuracy,dual", "seed=0,1", "dataset.root=/data/BCCD"],
            ["stage=grpo", "reward=dual", "seed=1", "dataset.root=/data/BCCD"],
            "reward=dual,seed=1",
        ),
        (["stage.beta=choice(0,0.04)", "--multirun", "seed=3"], ["stage.beta=0.04", "seed=3"], "stage.beta=0.04"),
        (["-m", "seed=range(0,3)", "stage.group_size=choice(4)"], ["seed=2", "stage.group_size=4"], "seed=2"),
        (["-m", "reward=glob(*)", "seed=1"], ["reward=accuracy", "seed=1"], "reward=accuracy"),
        (["-m", "stage.betas=[0.9,0.99]", "seed=1"], ["stage.betas=[0.9,0.99]", "seed=1"], ""),
        (["-m", "+trainer.deterministic=true,false"], ["+trainer.deterministic=true"], "+trainer.deterministic=true"),
    ],
)  # fmt: skip
def test_a_run_of_a_sweep_is_named_by_the_keys_with_several_values(arguments, run, difference):
    assert what_differs(arguments, run) == difference
