"""Questions for other programs: a writer for each, whose files the readers of `data.formats` give back as they were."""

from pathvlm_r1.data.exporting.lmms_eval import TASK_MODULE, lmms_eval_task
from pathvlm_r1.data.exporting.pictures import PictureFile, picture_file
from pathvlm_r1.data.exporting.questions import unreadable
from pathvlm_r1.data.exporting.tables import TABLE_FORMATS, write_table
from pathvlm_r1.data.exporting.texts import dataset_info, llama_factory_row

__all__ = [
    "TABLE_FORMATS",
    "TASK_MODULE",
    "PictureFile",
    "dataset_info",
    "llama_factory_row",
    "lmms_eval_task",
    "picture_file",
    "unreadable",
    "write_table",
]
