"""Interoperation: adapters that run within other harnesses."""

from pathvlm_r1.interop.vlmevalkit import handed_over, shown_options, with_bare_letters

__all__ = ["handed_over", "shown_options", "with_bare_letters"]
