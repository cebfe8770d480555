"""Bombs, lines of 200 MB and archives stay small: memory is measured in a process of its own, nothing is unpacked."""

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from bad_data import FILES, state_of
from drawn_sets import draw
from running import ROOT, entry

BOMB_SIDE = 12_000  # pixels: 144 megapixels, 432 MB once they are decoded
LINE_BYTES = 200 * 10**6
MORE_MIB = 100  # that the bad records may take above the sound ones: half a line, a quarter of a bomb

RECORD = {"options": ["whorled", "nested"], "answer": "A"}
SPLITS = "dataset.splits={sft: [records.jsonl], rl: [], validation: [], test: []}"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def write_png(path: Path, side: int, *more: bytes, row: bytes | None) -> None:
    """A PNG of equal rows, or one without data."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush() if row is not None else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def record(name: str, image: str) -> str:
    return json.dumps({"id": name, "image": image, "question": f"Which is {name}?"} | RECORD) + "\n"


def write_sound(root: Path) -> Path:
    draw(root / "sound.png", 1)
    (root / "records.jsonl").write_text(record("sound", "sound.png"))
    return root


def write_bad(root: Path) -> Path:
    """Pictures that would take gigabytes, and a line of 200 MB between sound ones."""
    write_sound(root)
    write_png(root / "bomb.png", BOMB_SIDE, row=bytes(1 + 3 * BOMB_SIDE))
    text = b"Comment\0\0" + zlib.compress(bytes(LINE_BYTES), 1)
    write_png(root / "text.png", 32, chunk(b"zTXt", text), row=bytes(1 + 3 * 32))
    with (root / "sparse.jpg").open("wb") as file:
        file.truncate(2 * 10**9)
    with (root / "records.jsonl").open("a") as file:
        file.writelines(record(name, f"{name}.{kind}") for name, kind in {"bomb": "png", "text": "png"}.items())
        file.write(record("sparse", "sparse.jpg"))
        file.write('{"id": "long", "image": "sound.png", "question": "')
        for _ in range(LINE_BYTES // 10**6):
            file.write("x" * 10**6)
        file.write('"}\n')
        file.write(record("outside", "pictures/../../../etc/hostname"))
        file.write(record("last", "sound.png"))
    return root


def verified(root: Path) -> tuple[int, float, dict]:
    """Status, peak of memory in MiB and findings of a verification by the command itself."""
    out = root.parent / f"{root.name}.json"
    done = subprocess.run(  # noqa: S603  our own scripts
        [
            sys.executable, str(Path(__file__).with_name("peak_memory.py")), sys.executable, str(ROOT / "src/data.py"),
            "task=verify", "dataset=jsonl", f"dataset.root={root}", SPLITS, "workers=1", f"out={out}",
        ],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, float(done.stdout.rpartition("peak ")[2]), json.loads(out.read_text())


@pytest.mark.slow
def test_bombs_and_lines_of_200_megabytes_are_refused_within_bounded_memory(tmp_path):
    sound_status, sound_peak, _ = verified(write_sound(tmp_path / "sound"))
    status, peak, found = verified(write_bad(tmp_path / "bad"))
    assert (sound_status, status) == (0, 1)
    assert {defect["record"].rpartition("/")[2]: defect["defect"] for defect in found["defects"]} == {
        "#5": "malformed-file", "outside": "image-path", "bomb": "image-too-large", "text": "image-damaged",
        "sparse": "image-damaged",
    }  # fmt: skip
    assert found["counts"]["kept"] == 2, "the sound lines before and behind"
    assert peak < sound_peak + MORE_MIB


def write_zip(path: Path) -> None:
    """Names that lead out, an absolute one, and one that unpacks to a thousand times its size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../outside.txt", "written")
        archive.writestr("/etc/pathvlm_outside.txt", "written")
        archive.writestr("records.jsonl", bytes(10**7))


class Exploit:
    """What a pickle may do to who loads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("records.zip", "neither .jsonl, .json or .parquet"),
        ("records.pkl", "a pickle can run any code and is not read"),
        ("records.npy", "a pickle can run any code and is not read"),
        ("records.parquet", "cannot be read"),
        ("records.json", "not UTF-8"),
    ],
)
def test_archives_and_pickles_are_refused_under_any_name_and_nothing_is_written(tmp_path, name, says):
    root = write_sound(tmp_path / "root")
    if name == "records.zip":
        write_zip(root / name)
    else:
        (root / name).write_bytes(pickle.dumps(Exploit(tmp_path / "exploited")))
    before = state_of(tmp_path)
    splits = f"dataset.splits={{sft: [], rl: [], validation: [], test: [{name}]}}"
    for typed in (["data", "task=verify"], ["eval", f"output={tmp_path}/out"]):
        outcome = entry(typed[0], *typed[1:], "dataset=jsonl", f"dataset.root={root}", splits)
        assert outcome.status == (1 if typed[0] == "data" else 2), outcome.text
        assert says in " ".join(outcome.text.split())
        assert state_of(tmp_path) == before


def test_a_root_that_is_an_archive_is_no_folder(tmp_path):
    write_zip(tmp_path / "set.zip")
    for dataset in ("jsonl", "pathmmu", "omnimedvqa", "slake", "pmc_vqa", "medxpertqa_mm", "pathvqa", "trl"):
        outcome = entry("eval", f"dataset={dataset}", f"dataset.root={tmp_path}/set.zip", f"output={tmp_path}/out")
        assert outcome.status == 2, outcome.text
        assert f"{tmp_path}/set.zip" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


def test_a_data_file_that_dataset_info_places_outside_is_not_opened(tmp_path):
    root = write_sound(tmp_path / "root")
    for place in ("../records.json", str(tmp_path / "records.json")):
        (root / "dataset_info.json").write_text(json.dumps({"test": {"file_name": place, "formatting": "sharegpt"}}))
        splits = "dataset.splits={sft: [], rl: [], validation: [], test: [test]}"
        outcome = entry("eval", "dataset=llama_factory", f"dataset.root={root}", splits, f"output={tmp_path}/out")
        assert outcome.status == 2
        assert f"test is in {place}, out of {root}. Put the file below it." in outcome.stderr


def test_the_files_of_the_catalogue_are_small():
    assert sum(path.stat().st_size for path in FILES.rglob("*") if path.is_file()) < 10**6
