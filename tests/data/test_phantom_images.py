"""The pictures of the phantoms: fixed by their key, different by their findings, bounded in work."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from configured_phantoms import CONFIGURED, PRETRAINING, source
from pixel_probe import accuracies

from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomImage
from pathvlm_r1.data.pretraining import ExerciseSource

SIZES = (112, 168)
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "phantom_rendering.py"
BLOCK = 8  # pixels a side; the noise of a picture leaves less than 2 grey levels on a block's mean
LEAST_CHANGE = 12  # grey levels, of the block that changes most
MOST_CALLS = 4_000  # of functions, Python's or C's, in one picture; 2,800 were seen in 1,000 pictures
PRINT_DIGESTS = """
import sys
sys.path.insert(0, sys.argv[1])
from test_phantom_images import digests
print(__import__("json").dumps(digests()))
"""
LEAST_READ = {2: 0.8, 3: 0.8}  # number of values -> accuracy of the probe; chance is 0.5 and 0.33
every_modality = pytest.mark.parametrize("modality", ONTOLOGIES)


def digests():
    """Everything that a few questions of every modality are, pictures included, as digests."""
    found = {}
    for modality in ONTOLOGIES:
        for size in SIZES:
            sample = source(modality, image_size=size).sample("test", 5)
            said = repr((sample.question, sample.options, sample.answer, sample.rationale)).encode()
            found[f"{modality} {size}"] = hashlib.sha256(said + sample.images[0].load().tobytes()).hexdigest()
    return found


@cache
def picture(modality, key, *findings, size=112):
    """Pixels as floats; the findings are phrases in the order of the attributes."""
    shown = dict(zip(ONTOLOGIES[modality].findings, findings, strict=True))
    return np.asarray(PhantomImage(modality, shown, (key, 1), size).load(), dtype=np.float32)


def drawn_phrases(modality, seed):
    random = np.random.default_rng(seed)
    return [str(random.choice(list(phrases))) for phrases in ONTOLOGIES[modality].findings.values()]


def largest_block_change(one, other):
    side = one.shape[0] // BLOCK
    return float(np.abs((one - other).reshape(side, BLOCK, side, BLOCK, 3).mean((1, 3))).max())


def calls_of(image):
    """How many functions are called while a picture is rendered."""
    count = 0

    def counted(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        image.load()
    finally:
        sys.setprofile(before)
    return count


@every_modality
@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_rgb_of_the_asked_size_and_the_same_at_every_call(modality, size):
    image = source(modality, image_size=size).sample("sft", 3).images[0]
    assert image.load().mode == "RGB"
    assert image.load().size == (size, size)
    assert image.load().tobytes() == image.load().tobytes()
    assert source(modality, image_size=size).sample("sft", 3).images[0].load().tobytes() == image.load().tobytes()


@pytest.mark.medium
def test_a_fresh_process_asks_and_renders_the_same():
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    command = [sys.executable, "-c", PRINT_DIGESTS, str(Path(__file__).parent)]
    printed = subprocess.run(  # noqa: S603  ourselves
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(printed) == digests()


@every_modality
def test_different_indices_splits_seeds_and_datasets_show_different_pictures(modality):
    shared = source(modality)
    samples = [shared.sample("sft", index) for index in range(12)] + [
        shared.sample("test", index) for index in range(4)
    ]
    samples += [source(modality, seed=1).sample("sft", 0), source(modality, dataset="another").sample("sft", 0)]
    assert len({sample.images[0].load().tobytes() for sample in samples}) == len(samples)


@every_modality
def test_a_sample_survives_pickling_with_its_picture(modality):
    sample = source(modality).sample("rl", 2)
    revived = pickle.loads(pickle.dumps(sample))  # noqa: S301  our own bytes
    assert revived == sample
    assert revived.images[0].load().tobytes() == sample.images[0].load().tobytes()


def test_no_two_splits_nor_the_base_models_exercises_share_a_picture_key():
    pretraining = {  # with the sets' own seed, the worst case: another seed keeps keys apart by itself
        (PRETRAINING["name"], modality): source(modality, dataset="pretraining") for modality in ONTOLOGIES
    }
    sources = {(m, name): (source(m), name) for m, keys in CONFIGURED.items() for name in keys["splits"]}
    sources |= {(owner, modality): (phantoms, modality) for (owner, modality), phantoms in pretraining.items()}
    keys = {
        name: [phantoms.sample(part, i).images[0].key for i in (0, 7)] for name, (phantoms, part) in sources.items()
    }
    stems = {name: {key[:2] for key in pair} for name, pair in keys.items()}
    assert all(len(stem) == 1 for stem in stems.values())
    assert all(one.isdisjoint(other) for one, other in combinations(stems.values(), 2))
    assert all([key[2:] for key in pair] == [(0, 1), (7, 1)] for pair in keys.values())


def test_the_base_models_pictures_come_from_a_dataset_of_their_own():
    exercises = ExerciseSource(CONFIGURED["ct"]["seed"], 112, 50, {"name_findings": 1.0})
    configured = {
        source(m).sample(name, 0).images[0].key[:2] for m, keys in CONFIGURED.items() for name in keys["splits"]
    }
    assert not {exercises(index).image.key[:2] for index in range(60)} & configured


@pytest.mark.medium
@every_modality
def test_every_finding_changes_the_picture(modality):
    for seed in range(3):
        phrases = drawn_phrases(modality, seed)
        for place, values in enumerate(ONTOLOGIES[modality].findings.values()):
            shown = [picture(modality, seed, *phrases[:place], value, *phrases[place + 1 :]) for value in values]
            changes = [largest_block_change(one, other) for one, other in combinations(shown, 2)]
            assert min(changes) > LEAST_CHANGE, (list(values), changes)


@pytest.mark.medium
@every_modality
def test_the_work_for_a_picture_is_bounded_and_does_not_grow_with_its_pixels(modality):
    shown = [dict(zip(ONTOLOGIES[modality].findings, drawn_phrases(modality, s), strict=True)) for s in range(6)]
    calls = {size: [calls_of(PhantomImage(modality, f, (9,), size)) for f in shown] for size in SIZES}
    assert max(calls[112] + calls[168]) < MOST_CALLS
    assert max(abs(one - other) for one, other in zip(calls[112], calls[168], strict=True)) <= 60  # Pillow's own


@pytest.mark.medium
def test_the_rendering_benchmark_measures_every_modality_at_both_sizes(tmp_path):
    out = tmp_path / "rendering.json"
    command = [sys.executable, str(BENCHMARK), "--quick", "--n", "1", "--out", str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  our own script
    timings = json.loads(out.read_text())["timings"]
    assert {(row["modality"], row["image_size"]) for row in timings} == {
        (m, size) for m in ONTOLOGIES for size in SIZES
    }
    assert all(row["fastest_ms"] <= row["ms_per_image"] <= row["slowest_ms"] for row in timings)
    assert all(modality in printed for modality in ONTOLOGIES)


@pytest.mark.medium
def test_every_histological_finding_is_read_from_pixels_by_a_linear_probe():
    read = accuracies("histology", train=320, test=160)
    least = {name: LEAST_READ[len(values)] for name, values in ONTOLOGIES["histology"].findings.items()}
    assert {name: accuracy for name, accuracy in read.items() if accuracy < least[name]} == {}
