"""The tasks of `src/data.py`, one for each file of `conf/task`; what each returns is the status."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from omegaconf import DictConfig

from pathvlm_r1.assembly.data_audit import audit_dataset
from pathvlm_r1.assembly.data_export import export_dataset
from pathvlm_r1.assembly.data_fetch import fetch_dataset
from pathvlm_r1.assembly.data_split import split_dataset
from pathvlm_r1.assembly.data_verify import verify_dataset
from pathvlm_r1.assembly.showing import show
from pathvlm_r1.config import AuditConfig, DataConfig, ExportConfig, FetchConfig, SplitConfig, VerifyConfig

DATA_TASKS: Mapping[str, Callable[[DictConfig], int | None]] = {
    "audit": lambda composed: audit_dataset(AuditConfig.checked(composed)),
    "export": lambda composed: export_dataset(ExportConfig.checked(composed)),
    "fetch": lambda composed: fetch_dataset(FetchConfig.checked(composed)),
    "show": lambda composed: show(DataConfig.checked(composed)),
    "split": lambda composed: split_dataset(SplitConfig.checked(composed)),
    "verify": lambda composed: verify_dataset(VerifyConfig.checked(composed)),
}
