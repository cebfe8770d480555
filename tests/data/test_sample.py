import pytest

from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import FileImage


@pytest.mark.parametrize("answer", ["C", "a", "", "AB", "1"])
def test_an_answer_that_is_no_letter_of_an_option_names_the_record_and_the_letters(answer, tmp_path):
    with pytest.raises(
        DatasetError, match=rf"^smears 17: the answer is '{answer}', and the 2 options have the letters A, B; "
    ):
        Sample(
            "17",
            "17",
            "smears",
            "kind",
            "Which?",
            ("benign", "malignant"),
            answer,
            "",
            (FileImage(tmp_path / "17.png"),),
        )


def test_a_question_without_an_image_names_the_record():
    with pytest.raises(DatasetError, match=r"^smears 17: no image; "):
        Sample("17", "17", "smears", "kind", "Which?", ("benign", "malignant"), "A", "", ())
