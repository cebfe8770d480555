"""An evaluation that dies while it generates: `python killed_evaluation.py OUTPUT CALLS OVERRIDE...`."""

from __future__ import annotations

import os
import signal
import sys

from running import evaluated

from pathvlm_r1.rollout import NativeEngine


def die_in_call(number: int) -> None:
    """Let the engine kill this process, which nothing can catch, when it is asked so often."""
    sample, calls = NativeEngine.sample, []

    def dying(*arguments, **settings):
        calls.append(arguments)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return sample(*arguments, **settings)

    NativeEngine.sample = dying


if __name__ == "__main__":
    die_in_call(int(sys.argv[2]))
    evaluated(f"output={sys.argv[1]}", *sys.argv[3:])
