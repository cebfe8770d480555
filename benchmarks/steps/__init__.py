"""One GRPO step, measured: what is asked of it, the two sides that take it, and the processes that they run in."""
