"""Which contracts an evaluation may be asked for."""

from __future__ import annotations

from collections.abc import Sequence

from pathvlm_r1.config.rules import as_typed, require
from pathvlm_r1.contract import CONTRACTS


def require_contracts(names: Sequence[str], rollout: str) -> None:
    """Refuse names that are unknown, none or twice, and a contract that the engine cannot ask.

    Args:
        names: of contracts.
        rollout: the engine, as `rollout=` has it.

    Raises:
        ConfigError: the first such fault.
    """
    known = f"of {', '.join(CONTRACTS)}"
    require(len(names) > 0, "contracts", names, f"at least one {known}")
    require(set(names) <= set(CONTRACTS), "contracts", names, f"each one {known}")
    require(len(set(names)) == len(names), "contracts", names, "each one once")
    for name in names:
        asking = CONTRACTS[name].asking
        is_plain = asking.system is None and asking.max_pixels is None
        rule = f"native or hf for contracts={as_typed(names)}: a server has its own system text and pixels"
        require(is_plain or rollout != "vllm", "rollout", rollout, rule)
