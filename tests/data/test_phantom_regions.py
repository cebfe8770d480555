"""Where phantoms show their findings: recorded as drawn, without a change to the picture."""

import pickle
from itertools import product

import numpy as np
import pytest

from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomImage, PhantomSource
from pathvlm_r1.data.phantom.regions import Regions

SIZE = 112
# Attributes whose exchange leaves every draw alone, with their phrases: the pixels that change are those that show it.
EXCHANGES = [
    ("ct", "density", "solid nodule", "ground glass"),
    ("fundus", "lesion", "microaneurysms", "drusen"),
    ("fundus", "disc", "small cup", "large cup"),
    ("dermoscopy", "border", "fading border", "sharp border"),
    ("oct", "fovea", "foveal pit", "filled fovea"),
]
NOWHERE = {
    "histology": {"rare mitoses", "viable tissue", "sparse lymphocytes", "loose stroma", "plain cytoplasm"},
    "ct": {"clear pleura", "normal nodes"},
    "dermoscopy": {"clear surface"},
    "fundus": {"normal vessels"},
    "oct": {"intact layers", "compact retina", "clean epithelium"},
}


def image(modality, key, **findings):
    """With these findings, and the first phrase of every other attribute."""
    shown = {name: next(iter(phrases)) for name, phrases in ONTOLOGIES[modality].findings.items()} | findings
    return PhantomImage(modality, shown, (key, 1), SIZE)


def pixels(one):
    return np.asarray(one.load(), dtype=np.float32)


@pytest.mark.parametrize(("modality", "attribute", "first", "second"), EXCHANGES)
def test_where_an_exchange_of_a_finding_leaves_all_draws_alone_what_changes_is_its_region(
    modality, attribute, first, second
):
    inside, changed_inside, outside = [], [], []
    for key in range(8):
        one, other = (image(modality, key, **{attribute: phrase}) for phrase in (first, second))
        change = np.abs(pixels(one) - pixels(other)).mean(axis=-1)
        region = one.region((attribute,)) | other.region((attribute,))
        inside.append(change[region].sum() / max(change.sum(), 1))
        changed_inside.append((change[region] > 5).mean())
        outside.append(change[~region].mean())
    assert np.mean(inside) > 0.85, "the rest is what anti-aliasing, layers that follow, and soft edges change"
    assert np.mean(changed_inside) > 0.3
    assert np.mean(outside) < 2


@pytest.mark.medium
@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_what_is_seen_has_a_region_and_what_is_absent_has_none(modality):
    for attribute, phrases in ONTOLOGIES[modality].findings.items():
        for phrase in phrases:
            areas = [image(modality, key, **{attribute: phrase}).region((attribute,)).mean() for key in range(3)]
            if phrase in NOWHERE[modality]:
                assert areas == [0.0] * 3, phrase
            else:
                assert min(areas) > 0.004, phrase
                assert max(areas) < 0.6, phrase


@pytest.mark.parametrize(
    ("attribute", "phrase", "channel", "is_darker"),
    [("keratin", "keratin pearls", 1, True), ("lymphocytes", "dense lymphocytes", 0, True),
     ("mitoses", "frequent mitoses", 1, False), ("stroma", "fibrous stroma", 1, True)],
)  # fmt: skip
def test_a_region_of_a_section_has_the_colour_of_its_finding(attribute, phrase, channel, is_darker):
    """Pearls and fibres take green, lymphocytes red; mitoses stand in a clear halo."""
    for key in range(4):
        one = image("histology", key, **{attribute: phrase})
        region, colour = one.region((attribute,)), pixels(one)[..., channel]
        assert (colour[region].mean() < colour[~region].mean()) == is_darker


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_the_region_of_several_attributes_is_their_union_and_the_same_at_every_call(modality):
    first, second, *_ = ONTOLOGIES[modality].findings
    one = image(modality, 3)
    assert np.array_equal(one.region((first, second)), one.region((first,)) | one.region((second,)))
    assert np.array_equal(one.region((first, second)), one.region((first, second)))


@pytest.mark.medium
@pytest.mark.parametrize(("modality", "size"), list(product(ONTOLOGIES, (56, 112))))
def test_a_question_has_the_region_of_what_decides_it_at_the_size_of_its_picture(modality, size):
    source = PhantomSource("p", modality, 0, size, {"complete": 1.0})
    for index in range(8):
        sample = source.sample("test", index)
        region = pickle.loads(pickle.dumps(sample.region))  # noqa: S301  our own
        assert region.load().shape == sample.images[0].load().size == (size, size)
        right = sample.option(sample.answer)
        attributes = {ONTOLOGIES[modality].attribute(phrase) for phrase in sample.findings.shown
                      if phrase in ONTOLOGIES[modality].phrases}  # fmt: skip
        assert set(region.attributes) <= attributes
        if sample.question_type == "finding":
            assert region.attributes == (ONTOLOGIES[modality].attribute(right),)
        if sample.question_type == "diagnosis":
            assert set(region.attributes) == set(ONTOLOGIES[modality].conditions[right])
        if sample.question_type == "grade":
            assert region.attributes == ONTOLOGIES[modality].scored


def test_what_is_painted_over_is_no_longer_seen_unless_the_paint_is_of_the_same_attribute():
    regions = Regions(2)
    regions.add(lambda: np.array([[1, 1], [0, 0]]), "glands")
    regions.add(lambda: np.array([[1, 0], [1, 0]]), "nuclei", "glands")
    assert regions.of("glands").tolist() == [[True, True], [True, False]]
    regions.add(lambda: np.array([[0, 1], [0, 0.4]]), "necrosis")
    assert regions.of("glands").tolist() == [[True, False], [True, False]]
    regions.add(lambda: np.ones((2, 2, 1)), "veil", covers=False)
    assert regions.of("nuclei", "veil").all()
    assert regions.of("nuclei").tolist() == [[True, False], [True, False]]
    assert not regions.of("keratin").any()


def test_what_was_not_recorded_is_not_taken_for_nowhere():
    regions = Regions()
    regions.add(lambda: np.ones((2, 2)), "glands")
    with pytest.raises(ValueError, match="nothing was recorded"):
        regions.of("glands")
