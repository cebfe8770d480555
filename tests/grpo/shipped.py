"""The objectives of `conf/objective/`, as a run builds them, each with its parts by name for the brute force."""

from pathlib import Path

from brute_force import Parts
from hydra import compose, initialize_config_dir

from pathvlm_r1.assembly.objectives import objective_of
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.grpo import Objective

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "objective").glob("*.yaml"))


def shipped(name: str, **settings: float) -> tuple[Objective, Parts]:
    """An objective by its file's name, with settings of its surrogate changed."""
    typed = [f"objective.surrogate.{key}={value}" for key, value in settings.items()]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", ["stage=grpo", f"objective={name}", "model.max_completion_tokens=9", *typed])
    config = TrainConfig.checked(composed).objective
    found = {key: str(getattr(config, key)["_target_"]).rpartition(".")[2] for key in Parts._fields[:4]}
    numbers = {
        key: value
        for part in (config.surrogate, config.average)
        for key, value in part.items()
        if not key.startswith("_")
    }
    return objective_of(config), Parts(**found, settings=numbers)


SHIPPED = {name: shipped(name) for name in NAMES}
