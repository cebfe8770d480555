"""Datasets that are named beside the chosen one: by name alone, or with the folder that they are read from."""

import pytest
from drawn_bccd import draw_bccd

from pathvlm_r1.assembly.datasets import load_samples, named_dataset
from pathvlm_r1.config import ConfigError


def test_a_drawn_set_needs_its_name_and_one_of_files_its_folder_too(tmp_path):
    assert named_dataset("phantom_ct").name == "phantom_ct"
    read = named_dataset(f"bccd:{draw_bccd(tmp_path)}")
    assert {sample.dataset for sample in load_samples(read, "test")} == {"bccd"}


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("bccd", r"^dataset\.out_of_domain: bccd is read from a folder; type bccd:FOLDER$"),
        ("nowhere:x", r"^dataset\.out_of_domain: nowhere is not a dataset; choose from bccd"),
        ("phantom_ct:x", "root"),
    ],
)
def test_what_cannot_be_read_is_refused(named, message):
    with pytest.raises(ConfigError, match=message):
        named_dataset(named)
