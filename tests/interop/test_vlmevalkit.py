"""VLMEvalKit's adapter: what a harness that reads bare letters is handed, and its own matcher where it is installed."""

import importlib

import pytest

from pathvlm_r1.interop import handed_over, shown_options, with_bare_letters

PROMPT = (
    "Question: Which?\nOptions:\nA. E. coli\nB. Nests. Of cells\nC. Cords\n"
    "Please select the correct answer from the options above."
)
COMPLETION = "<think>Cords, not A.</think><answer>B</answer>"


class Fixed:
    """A model of a harness that answers what it is built with."""

    def __init__(self, answer):
        self.answer = answer

    def generate_inner(self, message, dataset=None):
        assert (message[0]["type"], dataset) == ("image", "PathMMU_VAL")
        return self.answer


def generated(model):
    message = [{"type": "image", "value": "a.png"}, {"type": "text", "value": PROMPT}]
    return with_bare_letters(model)(COMPLETION).generate_inner(message, dataset="PathMMU_VAL")


def test_a_model_hands_over_the_letter():
    assert generated(Fixed) == "B"


@pytest.mark.parametrize(
    ("written", "handed"),
    [
        ("<answer>B) Nests. Of cells</answer>", "B"), ("<answer>A. E. coli</answer>", "A"),
        ("<answer>E. coli</answer>", "<answer>E. coli</answer>"), ("<answer>D</answer>", "<answer>D</answer>"),
        ("B", "B"), ("No idea", "No idea"), ("<answer>A</answer><answer>B</answer>",) * 2,
    ],
)  # fmt: skip
def test_a_completion_without_one_letter_stays_as_it_is(written, handed):
    assert handed_over(written, PROMPT) == handed


def test_a_prompt_without_options_takes_a_letter_alone():
    assert handed_over(COMPLETION, "Describe it.") == "B"
    assert handed_over("<answer>B) Nests. Of cells</answer>", "Describe it.") == "<answer>B) Nests. Of cells</answer>"


def test_options_are_those_that_the_prompt_shows_in_their_order():
    assert shown_options(PROMPT) == ["E. coli", "Nests. Of cells", "Cords"]
    assert shown_options("Options:\nB. x\nA. y\n") is None
    assert shown_options("Question: A. x\nB. y") is None


@pytest.fixture(scope="module")
def kit():
    """The names of VLMEvalKit that the adapter meets."""
    try:
        return importlib.import_module("vlmeval.vlm").Qwen2VLChat, importlib.import_module("vlmeval.utils").can_infer
    except ImportError as fault:
        pytest.skip(f"VLMEvalKit is not installed here, pip install ms-vlmeval: {fault}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of a package that is not ours
def test_its_own_class_is_extended_and_its_own_matcher_reads_what_is_handed_over_and_not_the_tags(kit):
    model, can_infer = kit
    adapted = with_bare_letters(model)
    assert issubclass(adapted, model)
    assert adapted.generate is model.generate, "the harness calls generate, which calls generate_inner"
    choices = {"A": "E. coli", "B": "Nests. Of cells", "C": "Cords"}
    assert can_infer(COMPLETION, dict(choices)) != "B"
    assert can_infer("<answer>B</answer>", dict(choices)) is False
    assert can_infer(handed_over(COMPLETION, PROMPT), dict(choices)) == "B"
