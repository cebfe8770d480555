"""How much work a function does: the calls that it makes, which are exact, and its processor time, which sees C too."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

PER_DOUBLING = 2.5  # linear work doubles, quadratic work is four times as much; over several doublings they part ways
CALLS_OF_NOTHING = 200  # what a short text costs anyway
SECONDS_OF_NOTHING = 5e-4  # below it, time is noise
TIMINGS = 2
CHANCES = 6  # a machine that is busy may spoil a ratio, but hardly six in a row; quadratic work spoils all


@dataclass(frozen=True)
class Growth:
    """From which length to which the work is watched."""

    short: int  # characters
    doublings: int

    @property
    def long(self) -> int:
        """The length at the end."""
        return self.short * 2**self.doublings

    @property
    def allowed(self) -> float:
        """By how much the work may grow."""
        return PER_DOUBLING**self.doublings


def assert_calls_are_linear(function: Callable[[str], object], text: Callable[[int], str], growth: Growth) -> None:
    """The calls that the function makes for a text of a length grow no faster than allowed."""
    short, long = (calls_in(function, text(length)) for length in (growth.short, growth.long))
    assert long <= growth.allowed * max(short, CALLS_OF_NOTHING), f"{short} calls, then {long}"


def assert_time_is_linear(function: Callable[[str], object], text: Callable[[int], str], growth: Growth) -> None:
    """So does the function's processor time, in one of several chances."""
    short, long = text(growth.short), text(growth.long)
    ratios = []
    for _ in range(CHANCES):
        ratios.append(seconds_in(function, long) / max(seconds_in(function, short), SECONDS_OF_NOTHING))
        if ratios[-1] <= growth.allowed:
            return
    raise AssertionError(f"{len(long) / len(short):.0f} times the text took {min(ratios):.0f} times the time")


def calls_in(function: Callable[[str], object], text: str) -> int:
    """How many functions, ours and built-in ones, are called for a text."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        function(text)
    finally:
        sys.setprofile(before)
    return count


def seconds_in(function: Callable[[str], object], text: str) -> float:
    """This thread's processor time for a text, the least of several."""
    timings = []
    was_enabled = gc.isenabled()
    gc.disable()  # its passes fall on whatever happens to run
    try:
        for _ in range(TIMINGS):
            start = time.thread_time()
            function(text)
            timings.append(time.thread_time() - start)
    finally:
        if was_enabled:
            gc.enable()
    return min(timings)


def repeated_to(length: int, pieces: Iterable[str]) -> str:
    """As many of the pieces as fill a length exactly."""
    return "".join(_until(length, pieces))[:length]


def _until(length: int, pieces: Iterable[str]) -> Iterator[str]:
    filled = 0
    for piece in pieces:
        yield piece
        filled += len(piece)
        if filled >= length:
            return
