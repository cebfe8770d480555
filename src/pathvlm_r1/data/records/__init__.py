"""Records of any dataset, read strictly: files, options, gold answers and pictures, each fault with its place."""

from pathvlm_r1.data.records.faults import RecordFault, shortened
from pathvlm_r1.data.records.gold import YES_NO, closed_or_open, gold_letter
from pathvlm_r1.data.records.json_files import read_json, read_json_lines
from pathvlm_r1.data.records.lettered import LetteredQuestion, lettered_question
from pathvlm_r1.data.records.options import normalised, parsed_options, require_distinct
from pathvlm_r1.data.records.parquet import HeldPictures, parquet_files, read_parquet
from pathvlm_r1.data.records.paths import ImageFolder
from pathvlm_r1.data.records.reading import Reading, as_list, as_object, asked, text_of
from pathvlm_r1.data.records.tables import Table, read_table

__all__ = [
    "YES_NO",
    "HeldPictures",
    "ImageFolder",
    "LetteredQuestion",
    "Reading",
    "RecordFault",
    "Table",
    "as_list",
    "as_object",
    "asked",
    "closed_or_open",
    "gold_letter",
    "lettered_question",
    "normalised",
    "parquet_files",
    "parsed_options",
    "read_json",
    "read_json_lines",
    "read_parquet",
    "read_table",
    "require_distinct",
    "shortened",
    "text_of",
]
