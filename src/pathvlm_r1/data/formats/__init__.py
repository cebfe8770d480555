"""Formats that people have their questions in: one reader a format; none opens a picture or runs a dataset's code."""

from pathvlm_r1.data.formats.hub import FieldMap, read_hub
from pathvlm_r1.data.formats.jsonl import read_jsonl
from pathvlm_r1.data.formats.llama_factory import read_llama_factory
from pathvlm_r1.data.formats.parquet import read_rl_parquet
from pathvlm_r1.data.formats.trl import read_trl

__all__ = ["FieldMap", "read_hub", "read_jsonl", "read_llama_factory", "read_rl_parquet", "read_trl"]
