"""Questions of every kind, for the tests of the contracts."""

from PIL import Image

from pathvlm_r1.data import Sample


class Grey:
    """A picture of one colour."""

    def load(self):
        return Image.new("RGB", (56, 56), "grey")


def sample(options, answer="A", sample_id="q1", question="What is shown?"):
    """A question with these options."""
    return Sample(
        sample_id=sample_id, image_id="i1", dataset="d", question_type="t", question=question, options=tuple(options),
        answer=answer, rationale="Because.", images=(Grey(),),
    )  # fmt: skip


CHOICE = sample(["Glandular", "Solid nests", "Cords", "Sheets of cells"], "B")
TWO = sample(["Benign", "Malignant"], "B")
YES_NO = sample(["yes", "no"], "A")
OPEN = sample(["left lung"])
