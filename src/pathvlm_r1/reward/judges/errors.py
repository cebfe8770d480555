"""What ends a run on account of its judge."""

from __future__ import annotations


class JudgeError(RuntimeError):
    """A judge that cannot be asked any further; the message says what to do. What was paid for is kept."""
