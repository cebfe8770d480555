"""What holds for every contract, and for every harness the cases that its described rules decide."""

import re
from dataclasses import replace

import pytest
from asked import CHOICE, OPEN, TWO, YES_NO, sample
from hypothesis import given
from hypothesis.strategies import lists, sampled_from, text

from pathvlm_r1.contract import CONTRACTS, MAX_SCORED_CHARACTERS, THINK_ANSWER, Contract, Parsed
from pathvlm_r1.contract.asking import guessed
from pathvlm_r1.data.errors import DatasetError

KINDS = {"choice": CHOICE, "two": TWO, "yes or no": YES_NO, "open": OPEN}
UNASKED = {
    "pathmmu_official_v1": {"open"}, "omnimedvqa_official_v1": {"open"}, "lmms_eval_slake_v1": {"choice", "two"},
}  # fmt: skip
MISCOUNTING = [name for name in CONTRACTS if name.endswith("_with_miscounts")]
PIECES = [
    "<think>", "</think>", "<answer>", "</answer>", "A", "B", " B ", "(C)", "D)", "glandular", "Solid nests", ".", ",",
    "\n\n", "answer is ", "yes", "no", "normal", "\\boxed{", "}", '"answer": ', ":", " ",
]  # fmt: skip


def asked(name):
    """The kinds of questions that a contract asks."""
    unasked = UNASKED.get(name.removesuffix("_with_miscounts"), set())
    return [kind for kind in KINDS if kind not in unasked]


CASES = [(name, kind) for name in CONTRACTS for kind in asked(name)]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_completion_that_a_contract_asks_for_is_read_as_right_and_in_form(name, kind):
    contract, question = CONTRACTS[name], KINDS[kind]
    assert contract.name == name
    parsed = contract.read(contract.target(question), question)
    assert (parsed.answer, parsed.is_formatted, parsed.is_guessed) == (question.answer, True, False)


@pytest.mark.medium
@pytest.mark.parametrize("name", CONTRACTS)
def test_every_text_has_an_answer_or_none_and_the_same_again(name):
    contract = CONTRACTS[name]

    @given(text() | lists(sampled_from(PIECES), max_size=12).map("".join))
    def check(completion):
        for kind in asked(name):
            parsed = contract.read(completion, KINDS[kind])
            assert parsed == contract.read(completion, KINDS[kind])
            assert parsed.answer is None or parsed.answer in tuple(KINDS[kind].letters)
            assert not parsed.is_guessed or name in MISCOUNTING

    check()


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_is_too_long_to_score_has_no_answer_whatever_the_fallback(name):
    kind = asked(name)[0]
    assert CONTRACTS[name].read(" " * MAX_SCORED_CHARACTERS + "B", KINDS[kind]).answer is None


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_reference_answer_of_a_question_with_options_is_never_looked_at(name):
    contract = CONTRACTS[name]
    for kind in set(asked(name)) - {"open"}:
        for completion in ("B", "Solid nests", "<answer>A</answer>", "Not to be told.", "yes", ""):
            readings = {
                contract.read(completion, replace(KINDS[kind], answer=letter)) for letter in KINDS[kind].letters
            }
            assert len(readings) == 1


@pytest.mark.parametrize("name", UNASKED)
def test_a_question_that_a_contract_has_no_prompt_for_is_refused_by_name(name):
    for kind in UNASKED[name]:
        with pytest.raises(DatasetError, match=f"d q1: contract {name}"):
            CONTRACTS[name].prompt(KINDS[kind])


@pytest.mark.parametrize("name", MISCOUNTING)
def test_miscounts_ask_as_the_contract_does_and_differ_only_where_nothing_is_read_or_within_words(name):
    clean, counting = CONTRACTS[name.removesuffix("_with_miscounts")], CONTRACTS[name]
    assert counting.asking == clean.asking
    for kind in asked(name):
        assert counting.prompt(KINDS[kind]) == clean.prompt(KINDS[kind]), "one pass of generation gives both"

    @given(lists(sampled_from(PIECES), max_size=8).map("".join))
    def check(completion):
        for kind in set(asked(name)) - {"yes or no"}:
            plainly = clean.read(completion, KINDS[kind])
            found = counting.read(completion, KINDS[kind])
            assert found == plainly or (plainly.answer is None and found.is_guessed)

    check()


def test_ours_is_the_one_that_training_uses():
    assert THINK_ANSWER == Contract().name == "think_answer_v1"
    assert CONTRACTS[THINK_ANSWER] == Contract()
    completion = "<think>x</think><answer>B</answer>"
    assert Contract().read(completion, CHOICE) == Contract().parse(completion, CHOICE.options)


PROMPTS = {
    ("paper_think_answer_v2", "choice"): (
        "What is shown?\nA) Glandular\nB) Solid nests\nC) Cords\nD) Sheets of cells\nOutput the thinking process in "
        "<think> </think> tags and then the final answer in <answer> </answer> tags."
    ),
    ("pathmmu_official_v1", "two"): (
        "What is shown?\n(A) Benign\n(B) Malignant\n\nAnswer with the option's letter from the given choices directly."
    ),
    ("omnimedvqa_official_v1", "two"): (
        "What is shown?Here are 2 candidate answers:['Benign', 'Malignant'] Only return what you think is the correct "
        "answer from the candidate answers, do not return any other irrelevant text!"
    ),
    ("vlmevalkit_v1", "two"): (
        "Question: What is shown?\nOptions:\nA. Benign\nB. Malignant\n"
        "Please select the correct answer from the options above. \n"
    ),
    ("vlmevalkit_v1", "yes or no"): "What is shown?\nPlease directly provide a short answer to the question. ",
    ("lmms_eval_slake_v1", "open"): "What is shown?\nAnswer the question using a single word or phrase.",
    ("medevalkit_v1", "two"): (
        "\nQuestion: What is shown?\nOptions: \nA. Benign\nB. Malignant\n"
        "Answer with the option's letter from the given choices directly."
    ),
    ("medevalkit_v1", "yes or no"): "What is shown?\nPlease output 'yes' or 'no'(no extra output).",
    ("medevalkit_v1", "open"): "What is shown?\nPlease answer the question concisely.",
    ("patho_r1_v1", "two"): "What is shown? /n A. Benign /n B. Malignant",
}


@pytest.mark.parametrize(("name", "kind"), PROMPTS)
def test_a_prompt_is_the_harness_own_to_the_letter(name, kind):
    assert CONTRACTS[name].prompt(KINDS[kind]) == PROMPTS[name, kind]


def test_what_surrounds_a_prompt_is_part_of_the_contract():
    least = {name: contract.asking.min_pixels for name, contract in CONTRACTS.items()}
    most = {name: contract.asking.max_pixels for name, contract in CONTRACTS.items()}
    assert least["vlmevalkit_v1"] / most["paper_think_answer_v2"] == pytest.approx(15.3, abs=0.05)
    assert (least["lmms_eval_slake_v1"], most["lmms_eval_slake_v1"]) == (200_704, 1_605_632)
    assert (least["medevalkit_v1"], most["medevalkit_v1"]) == (3_136, 12_845_056)
    caps = {name: contract.asking.max_completion_tokens for name, contract in CONTRACTS.items()}
    assert (caps["paper_think_answer_v2"], caps["vlmevalkit_v1"], caps["medevalkit_v1"]) == (1_024, 2_048, 8_192)
    assert (caps["lmms_eval_slake_v1"], caps["patho_r1_v1"]) == (32, 2_048)
    systems = {name: contract.asking.system for name, contract in CONTRACTS.items()}
    assert systems["vlmevalkit_v1"] == "", "no system turn, where None is the template's own"
    assert systems["patho_r1_v1"].startswith("You are a pathology expert")


THINKS = "<think>Nests, not glands.</think>"
READ = [
    ("paper_think_answer_v2", CHOICE, f"{THINKS}<answer>B</answer>", "B"),
    ("paper_think_answer_v2", CHOICE, "<answer>A</answer> no: <answer>C</answer>", "C"),
    ("paper_think_answer_v2", CHOICE, '<answer>{"answer": "D"}</answer>', "D"),
    ("paper_think_answer_v2", CHOICE, '<answer>{"A": "Glandular", "B": "Solid"}</answer>', None),
    ("paper_think_answer_v2", CHOICE, "<answer>Option A: Glandular, Option B: Solid</answer>", None),
    ("paper_think_answer_v2", CHOICE, "<answer>The answer is C, by its cords</answer>", "C"),
    ("paper_think_answer_v2", CHOICE, "The cells lie together.\nB", "B"),
    ("paper_think_answer_v2", CHOICE, "They lie in a way A", None),
    ("paper_think_answer_v2", CHOICE, "<answer>solid  nests.</answer>", "B"),
    ("paper_think_answer_v2", CHOICE, "<answer>E</answer>", None),
    ("pathmmu_official_v1", CHOICE, "(A) is out, so (B)", "B"),
    ("pathmmu_official_v1", CHOICE, "I choose B over A here", "A"),
    ("pathmmu_official_v1", CHOICE, "B.", "B"),
    ("pathmmu_official_v1", CHOICE, "The picture shows many sheets of cells", "D"),
    ("pathmmu_official_v1", CHOICE, "sheets of cells", None),
    ("pathmmu_official_v1", CHOICE, f"{THINKS}<answer>B</answer>", None),
    ("omnimedvqa_official_v1", CHOICE, "solid nest", "B"),
    ("omnimedvqa_official_v1", CHOICE, "Cords", "C"),
    ("omnimedvqa_official_v1", CHOICE, "", None),
    ("omnimedvqa_official_v1_with_miscounts", CHOICE, "", "D"),
    ("vlmevalkit_v1", CHOICE, "B", "B"),
    ("vlmevalkit_v1", CHOICE, "I think it is (C).", "C"),
    ("vlmevalkit_v1", CHOICE, "B is right because the cells lie together here", None),
    ("vlmevalkit_v1", CHOICE, "A or B", None),
    ("vlmevalkit_v1", CHOICE, "It may be A, but the answer is **D**, since all the cells lie in sheets", "D"),
    ("vlmevalkit_v1", CHOICE, "Cords of cells", "C"),
    ("vlmevalkit_v1", CHOICE, "Cords " + "and other things that one might want to say of a picture " * 3, None),
    ("vlmevalkit_v1", CHOICE, f"{THINKS}<answer>B</answer>", None),
    ("vlmevalkit_v1", OPEN, "Left lung.", "A"),
    ("vlmevalkit_v1", OPEN, "the left lung", None),
    ("lmms_eval_slake_v1", OPEN, "<think>Hm.</think> Left Lung.", "A"),
    ("lmms_eval_slake_v1", OPEN, "It is the left lung", None),
    ("lmms_eval_slake_v1", YES_NO, "Yes", "A"),
    ("lmms_eval_slake_v1", YES_NO, "<think>Yes", None),
    ("medevalkit_v1", CHOICE, "B. Solid nests", "B"),
    ("medevalkit_v1", CHOICE, "The answer is C", "C"),
    ("medevalkit_v1", CHOICE, "b\n\nBecause the cells lie together", "B"),
    ("medevalkit_v1", CHOICE, "<answer>Cords</answer>", "C"),
    ("medevalkit_v1", CHOICE, "so \\boxed{D}", "D"),
    ("medevalkit_v1", CHOICE, "(B)", None),
    ("medevalkit_v1", CHOICE, "solid nest", None),
    ("medevalkit_v1_with_miscounts", CHOICE, "solid nest", "B"),
    ("medevalkit_v1", YES_NO, "Yes, it is.", "A"),
    ("medevalkit_v1", YES_NO, "yes and no", None),
    ("medevalkit_v1", YES_NO, "The heart is normal", None),
    ("medevalkit_v1_with_miscounts", YES_NO, "The heart is normal", "B"),
    ("medevalkit_v1_with_miscounts", YES_NO, "It was not seen", "B"),
    ("medevalkit_v1_with_miscounts", YES_NO, "Yes, it is normal", None),
    ("patho_r1_v1", CHOICE, f"{THINKS}<answer>B. Solid nests</answer>", "B"),
]


@pytest.mark.parametrize(("name", "question", "completion", "letter"), READ)
def test_a_recorded_case_is_read_as_the_harness_rules_say(name, question, completion, letter):
    assert CONTRACTS[name].read(completion, question).answer == letter


def test_the_released_loader_cuts_an_option_at_its_first_bracket_and_asks_another_question():
    cut = sample(["Grade 1 (low) mitoses", "Grade 2"])
    assert "(A) Grade 1 (low) mitoses\n" in CONTRACTS["pathmmu_official_v1"].prompt(cut)
    assert "(A) Grade 1 (low\n" in CONTRACTS["pathmmu_official_v1_with_miscounts"].prompt(cut)


def test_a_guess_is_uniform_over_the_options_and_belongs_to_the_question():
    drawn = [guessed(sample(CHOICE.options, sample_id=f"q{index}")) for index in range(2_000)]
    assert all(440 < drawn.count(letter) < 560 for letter in "ABCD")  # 3 standard deviations of 500
    assert drawn == [guessed(sample(CHOICE.options, "D", sample_id=f"q{index}")) for index in range(2_000)]


@pytest.mark.parametrize("name", [name for name in MISCOUNTING if re.match("pathmmu|vlmevalkit", name)])
def test_a_random_fallback_is_marked_as_a_guess_and_wrong_by_default(name):
    found = CONTRACTS[name].read("I cannot tell.", CHOICE)
    assert found == Parsed(guessed(CHOICE), states_text=False, is_formatted=False, is_guessed=True)
    assert CONTRACTS[name.removesuffix("_with_miscounts")].read("I cannot tell.", CHOICE).answer is None
