"""What is exported comes back from our own readers as it went out; what would not is said to be so beforehand."""

import io
import json
from functools import partial

import pytest
from datasets import load_dataset
from exported_samples import DrawnPicture, content, every_kind, pictured, sample
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image
from trl.data_utils import is_conversational, prepare_multimodal_messages

from pathvlm_r1.data.exporting import (
    TABLE_FORMATS,
    dataset_info,
    llama_factory_row,
    picture_file,
    unreadable,
    write_table,
)
from pathvlm_r1.data.formats import read_llama_factory, read_rl_parquet, read_trl
from pathvlm_r1.data.images import FileImage

TARGETS = ("llama_factory", *TABLE_FORMATS)


def written_and_read(target, rows, root):
    """The defects and samples that the reader of a target finds in what was written for it."""
    if target == "llama_factory":
        for _, pictures in rows:
            for picture in pictures:
                (root / picture.name).parent.mkdir(exist_ok=True)
                (root / picture.name).write_bytes(picture.content)
        (root / "test.json").write_text(json.dumps([llama_factory_row(*row) for row in rows]))
        (root / "dataset_info.json").write_text(json.dumps({"test": dataset_info("test.json")}))
        return read_llama_factory(root, split="test", path_map={})
    write_table(root / "test.parquet", TABLE_FORMATS[target], rows)
    read = read_trl if target == "trl" else read_rl_parquet
    return read(root, split="test.parquet", path_map={})


@pytest.mark.parametrize("target", TARGETS)
def test_every_kind_of_question_comes_back_as_it_went_out(tmp_path, target):
    samples = every_kind(tmp_path)
    assert [unreadable(one) for one in samples] == [None] * len(samples)
    result = written_and_read(target, pictured(samples), tmp_path)
    assert result.defects == []
    assert list(map(content, result.samples)) == list(map(content, samples))
    assert [one.sample_id.partition("/")[2] for one in result.samples] == [one.sample_id for one in samples]


LINES = st.sampled_from(
    ["A) x", "(B) y", "C. z", "B)", "Options:", "<think>", "</answer>", "<image>", "yes", "no", "b", "A"]
)
WORDS = st.lists(st.one_of(LINES, st.text("aB) (;,.\n\u00a0é", max_size=6)), min_size=1, max_size=4)
TEXTS = st.tuples(WORDS, st.sampled_from([" ", "\n"])).map(lambda parts: parts[1].join(parts[0]))


@st.composite
def asked_samples(draw):
    options = tuple(draw(st.lists(TEXTS, min_size=1, max_size=4)))
    answer = draw(st.sampled_from("ABCD"[: len(options)]))
    pictures = tuple(map(DrawnPicture, range(draw(st.integers(1, 2)))))
    return sample(1, draw(TEXTS), options, answer, rationale=draw(st.one_of(st.just(""), TEXTS)), images=pictures)


@pytest.mark.medium
@given(one=asked_samples(), target=st.sampled_from(TARGETS))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_question_of_any_text_comes_back_or_is_said_not_to(tmp_path_factory, one, target):
    fault = unreadable(one)
    event("refused" if fault else "written")
    result = written_and_read(target, pictured([one]), tmp_path_factory.mktemp("any"))
    came_back = list(map(content, result.samples)) == [content(one)]
    if fault is None:
        assert came_back
    elif target in ("llama_factory", "trl"):  # which hold the whole of it in their texts, as the check does
        assert not came_back


@pytest.mark.parametrize(
    ("question", "options", "answer", "said"),
    [
        ("Which?\nA) one\nB) two", ("x", "y"), "A", None),
        ("Which?", ("x\nB) y", "z"), "A", "cannot be told where an option ends"),
        ("Which?", ("x;", "y"), "A", "its options"),
        ("Which <image>?", ("x", "y"), "A", "2 marks <image> and 1 pictures"),
        ("Is it?", ("yes",), "A", "its options"),
        ("What?", ("A) x",), "A", None),
        ("Which?", ("x", "X."), "A", "options A and B are both"),
        ("What is in the second image?", ("x", "y"), "A", "speaks of 'second image'"),
    ],
)
def test_what_would_come_back_otherwise_is_named_with_the_reason(question, options, answer, said):
    fault = unreadable(sample(1, question, options, answer))
    assert (fault is None) if said is None else (said in fault)


def test_datasets_and_trl_take_the_table_of_trl(tmp_path):
    samples = every_kind(tmp_path)
    write_table(tmp_path / "test.parquet", TABLE_FORMATS["trl"], pictured(samples))
    rows = load_dataset("parquet", data_files=str(tmp_path / "test.parquet"), split="train", cache_dir=tmp_path / "c")
    assert len(rows) == len(samples)
    for row, one in zip(rows, samples, strict=True):
        assert is_conversational(row)
        assert [picture.size for picture in row["images"]] == [image.load().size for image in one.images]
        (said,) = prepare_multimodal_messages(row["prompt"], images=row["images"])
        assert [part["type"] for part in said["content"]] == ["image"] * len(one.images) + ["text"]
        assert row["solution"] == (one.options[0] if one.is_open else one.answer)


def turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((40, 30), 90).convert("RGB").save(path, exif=exif)


DRAWERS = {
    "plain.jpg": Image.effect_noise((40, 30), 90).convert("RGB").save,
    "grey.png": Image.effect_noise((40, 30), 90).save,
    "turned.jpg": turned,
    "clear.png": Image.new("RGBA", (40, 30), (200, 10, 10, 90)).save,
    "deep.png": Image.new("I;16", (40, 30), 30000).save,
    "film.gif": partial(Image.new("P", (40, 30), 3).save, save_all=True, append_images=[Image.new("P", (40, 30), 9)]),
    "slide.tif": Image.effect_noise((40, 30), 90).convert("RGB").save,
}


@pytest.mark.filterwarnings("ignore:.*more than one frame:UserWarning")
@pytest.mark.parametrize("name", DRAWERS)
def test_a_picture_is_copied_where_anyone_decodes_it_alike_and_written_anew_elsewhere(tmp_path, name):
    path = tmp_path / name
    DRAWERS[name](path)
    image = FileImage(path)
    picture = picture_file(image)
    assert (picture.content == path.read_bytes()) == (name in ("plain.jpg", "grey.png"))
    with Image.open(io.BytesIO(picture.content)) as plain:
        assert plain.convert("RGB").tobytes() == image.load().tobytes()
