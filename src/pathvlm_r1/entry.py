"""What all entry points share: a fault of the user's ends in one message, not in a traceback."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pathvlm_r1.config import ConfigError, TrainConfig, has_key, trainer_keys, unknown_key
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.reward import JudgeError, TermError
from pathvlm_r1.stages import TrainingError
from pathvlm_r1.tracking import RunInterrupted, TrackingError

Task = TypeVar("Task")

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


def run(main: Callable[[], None]) -> None:
    """Call a Hydra main; what Hydra refuses before it calls our function is one message too."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise it prints its own message and exits
    with user_errors():
        main()


@contextmanager
def user_errors() -> Iterator[None]:
    """Our own errors and Hydra's end in a message on stderr and status 2, Ctrl-C in 130; all else in its traceback."""
    _quiet()
    try:
        yield
    except (ConfigError, DatasetError, JudgeError, TermError, TrackingError, TrainingError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EXIT_USAGE)
    except HydraException as error:
        sys.stderr.write(f"error: {_refusal(error)}\n")
        sys.exit(EXIT_USAGE)
    except (RunInterrupted, KeyboardInterrupt) as interrupt:
        sys.stderr.write(f"{str(interrupt) or 'interrupted'}\n")
        sys.exit(EXIT_INTERRUPTED)


def task_of(tasks: Mapping[str, Task], chosen: str) -> Task:
    """The task of an entry point; `conf/task` has those of all of them.

    Raises:
        ConfigError: another entry point's.
    """
    if chosen not in tasks:
        raise ConfigError(f"task={chosen}: another script's task; this one has {', '.join(tasks)}")
    return tasks[chosen]


def _refusal(error: HydraException) -> str:
    """Hydra's message; on a key that there is not, ours, which names those that there are."""
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and isinstance(cause.parent_node, DictConfig):
        group, key = str(cause.full_key).rpartition(".")[0], str(cause.key)
        valid = trainer_keys() if group == "trainer" else [str(name) for name in cause.parent_node if name != "hydra"]
        if key in valid:
            return f"trainer.{key}: type +trainer.{key}=…, as conf/trainer does not set this key of Lightning's"
        if group and has_key(TrainConfig, f"{group}.{key}"):
            return (
                f"{group}.{key}: type +{group}.{key}=…, as the chosen file of conf/{group.split('.')[0]} leaves it out"
            )
        return unknown_key(key, group, valid)
    return str(error)


def _quiet() -> None:
    """Keep libraries from talking over our own progress."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for client in ("httpx", "httpx2"):  # the second is the hub's
        logging.getLogger(client).setLevel(logging.WARNING)  # a line for every request
    warnings.filterwarnings("ignore", module="pytorch_lightning", category=UserWarning)
    warnings.filterwarnings("ignore", module="lightning_fabric", category=UserWarning)
    warnings.filterwarnings("ignore", module="pytorch_lightning", category=FutureWarning)  # its use of torch 2.13
    warnings.filterwarnings(
        "ignore", module="lightning_fabric", category=FutureWarning
    )  # its gathering over processes, likewise
    warnings.filterwarnings(
        "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
    )  # peft
