"""lmms-eval: a folder for its `--include_path`: a task file, the questions, and the module that asks and scores them.

The questions are Parquet in the form of EasyR1, so that `dataset=parquet` reads them too.
"""

from __future__ import annotations

import json
from pathlib import Path

from pathvlm_r1.contract import OPEN_SUFFIX, SUFFIX

TASK_MODULE = Path(__file__).with_name("lmms_eval_task.py")  # is copied as it stands: lmms-eval imports nothing of ours


def lmms_eval_task(name: str, data: Path, split: str) -> str:
    """The YAML of a task, which is greedy.

    Args:
        name: of the task.
        data: the file of the questions.
        split: what it is called within the task.
    """
    module = TASK_MODULE.stem
    return f"""\
# lmms-eval: python -m lmms_eval --include_path THIS_FOLDER --tasks {name} --model qwen2_5_vl --model_args pretrained=…
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    {split}: {json.dumps(str(data))}  # changes with the place of this folder
test_split: {split}
output_type: generate_until
doc_to_visual: !function {module}.doc_to_visual
doc_to_text: !function {module}.doc_to_text
doc_to_target: !function {module}.doc_to_target
process_results: !function {module}.process_results
generation_kwargs:
  max_new_tokens: 1024
  do_sample: false
  temperature: 0
reasoning_tags: none  # the answer stands in tags of its own, and is read from the whole text
lmms_eval_specific_kwargs:
  default:
    pre_prompt: ""
    post_prompt: {json.dumps(f"{chr(10)}{SUFFIX}")}
    open_post_prompt: {json.dumps(f"{chr(10)}{OPEN_SUFFIX}")}
metric_list:
  - metric: accuracy
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1
"""
