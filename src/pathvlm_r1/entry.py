"""What all entry points share: a fault of the user's ends in one message, not in a traceback."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pathvlm_r1.config import ConfigError
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.stages import TrainingError
from pathvlm_r1.tracking import RunInterrupted, TrackingError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn our own errors into a message on stderr and exit status 2, Ctrl-C into 130; all else keeps its traceback."""
    _quiet()
    try:
        yield
    except (ConfigError, DatasetError, TrackingError, TrainingError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EXIT_USAGE)
    except (RunInterrupted, KeyboardInterrupt) as interrupt:
        sys.stderr.write(f"{str(interrupt) or 'interrupted'}\n")
        sys.exit(EXIT_INTERRUPTED)


def _quiet() -> None:
    """Keep libraries from talking over our own progress."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning", category=UserWarning)
    warnings.filterwarnings("ignore", module="lightning_fabric", category=UserWarning)
    warnings.filterwarnings("ignore", module="pytorch_lightning", category=FutureWarning)  # its use of torch 2.13
    warnings.filterwarnings(
        "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
    )  # peft
