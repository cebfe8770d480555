"""An lmms-eval task, loaded as lmms-eval loads one: how it asks, and what its module takes for an answer."""

import importlib.util

import pytest
import yaml
from datasets import load_dataset
from exported_samples import every_kind, pictured
from hypothesis import given
from hypothesis import strategies as st

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.exporting import TABLE_FORMATS, TASK_MODULE, lmms_eval_task, write_table


def module_at(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULE = module_at(TASK_MODULE)


def loaded_task(path):
    """A task file as lmms-eval reads it: `!function module.name` is a function of the module beside the file."""

    class Loader(yaml.SafeLoader):
        pass

    def function(_, node):
        module, _, name = node.value.rpartition(".")
        return getattr(module_at(path.with_name(f"{module}.py")), name)

    Loader.add_constructor("!function", function)
    return yaml.load(path.read_text(), Loader)  # noqa: S506  a SafeLoader with one more tag


@pytest.fixture
def task_and_docs(tmp_path):
    samples = every_kind(tmp_path)
    write_table(tmp_path / "test.parquet", TABLE_FORMATS["lmms_eval"], pictured(samples))
    (tmp_path / TASK_MODULE.name).write_bytes(TASK_MODULE.read_bytes())
    (tmp_path / "mine.yaml").write_text(lmms_eval_task("mine", tmp_path / "test.parquet", "test"))
    task = loaded_task(tmp_path / "mine.yaml")
    found = load_dataset(task["dataset_path"], **task["dataset_kwargs"], cache_dir=tmp_path / "cache")
    return task, found[task["test_split"]], samples


def test_the_task_asks_with_pictures_and_options_and_scores_the_reference_with_1(task_and_docs):
    task, docs, samples = task_and_docs
    assert len(docs) == len(samples)
    for doc, sample in zip(docs, samples, strict=True):
        assert [one.size for one in task["doc_to_visual"](doc)] == [one.load().size for one in sample.images]
        asked = task["doc_to_text"](doc, task["lmms_eval_specific_kwargs"]["default"])
        assert asked == Contract().prompt(sample), "what training asks, word for word"
        without_pictures = {name: value for name, value in doc.items() if name != "images"}  # as lmms-eval gives it
        for said in (Contract().target(sample), task["doc_to_target"](doc)):
            assert task["process_results"](without_pictures, [said]) == {"accuracy": 1.0}
        assert task["process_results"](without_pictures, ["<answer>I do not know</answer>"]) == {"accuracy": 0.0}
    assert [metric["metric"] for metric in task["metric_list"]] == ["accuracy"]


CHOICES = ("Whorled", "Nested", "Vitamin B")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("B", "b"), ("(B)", "b"), ("B) Nested", "b"), ("<think>A or C?</think><answer>B</answer>", "b"),
        ("<think>A.</think> B.", "b"), ("Nested", "b"), ("The answer is B", "b"), ("C: Vitamin B", "c"),
        ("A) or B)", None), ("<answer>A</answer><answer>B</answer>", None), ("A and B", None), ("B) Whorled", None),
        ("<answer>A or B</answer>", None), ("<answer>It is B, I think</answer>", None), ("", None), ("D", None),
    ],
)  # fmt: skip
def test_one_answer_is_read_and_several_are_none(text, answer):
    assert MODULE.read_answer(text, CHOICES) == answer


@given(text=st.text("AB<>/answerthik ).", max_size=40).map(lambda text: f"<answer>{text}</answer>"))
def test_within_tags_it_credits_no_letter_that_the_contract_reads_otherwise(text):
    ours = Contract().parse(text, CHOICES).answer
    read = MODULE.read_answer(text, CHOICES)
    assert ours is None or read in (ours.casefold(), None)
