"""The catalogue of bad data as a table: each case is a folder of `files/`, with what becomes of its faulty record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).parent / "files"
MEND, FETCH = "mend the record", "Fetch it again"


@dataclass(frozen=True)
class Fault:
    """A record that cannot be used, or that is used with a warning."""

    case: str  # a folder; its number is the catalogue's
    defect: str
    action: str  # error, skip or warn
    says: str  # what is wrong
    to_do: str = MEND
    record: str = "faulty"


FAULTS = (
    Fault("01_truncated_jpeg", "image-damaged", "skip", "truncated, corrupt", FETCH),
    Fault("01_truncated_png", "image-damaged", "skip", "truncated, corrupt", FETCH),
    Fault("01_zero_bytes", "image-not-downloaded", "error", "empty (0 bytes), it was not downloaded", FETCH),
    Fault("01_web_page", "image-not-downloaded", "error", "a web page, not a picture", FETCH),
    Fault("01_lfs_pointer", "image-not-downloaded", "error", "a Git LFS pointer", "Run `git lfs pull`"),
    Fault("04_bomb", "image-too-large", "error", "more than the limit of 50 megapixels", "Cut the picture into tiles"),
    Fault("04_too_many_pixels", "image-too-large", "error", "10000 x 5001 is 50 megapixels", "Cut the picture"),
    Fault("05_no_pixels", "image-damaged", "skip", "truncated, corrupt", FETCH),
    Fault("05_strip", "image-strip", "error", "1 x 400 is a strip", "Cut out a part"),
    Fault("06_no_options", "options-missing", "error", "0 options, and a choice needs at least 2"),
    Fault("06_one_option", "options-missing", "error", "1 option, and a choice needs at least 2"),
    Fault("06_null_options", "options-missing", "error", "the answer is the letter B, and no options were found"),
    Fault("06_ten_options", "options-unreadable", "error", "10 options, and there are letters for 9"),
    Fault("06_options_as_a_sentence", "options-unreadable", "error", "options are the text 'whorled or nested'"),
    Fault("06_options_with_a_gap", "options-unreadable", "error", "from A on without a gap"),
    Fault("07_letter_outside", "gold-not-an-option", "error", "the answer 'F' is none of A, B, C, D"),
    Fault("08_text_of_another_option", "gold-contradictory", "error", "the letter B and the text of option C"),
    Fault("09_text_of_no_option", "gold-not-an-option", "error", "'trabecular' is none of A, B, C, D"),
    Fault("10_options_alike", "options-alike", "skip", "options A and C are both 'whorled.'", "not scored"),
    Fault("12_the_same_twice", "duplicate-question", "skip", "asks what", "only the first one is kept", "again"),
    Fault("15_missing", "image-missing", "skip", "faulty.png is missing", "fetch it"),
    Fault("15_upper_case", "image-name-case", "skip", "SOUND.PNG is missing, and there is sound.png", "rename it"),
    Fault("15_not_files", "image-not-a-file", "error", "a pipe or a device", "put the picture in its place", "pipe"),
    Fault("15_not_files", "image-not-a-file", "error", "is a folder", "put the picture in its place", "folder"),
    Fault("15_not_files", "image-not-a-file", "error", "a link to nothing", "put the picture in", "nowhere"),
    Fault("15_not_files", "image-not-a-file", "error", "is a link to", "put the picture in its place", "outside"),
    Fault("15_not_files", "image-not-a-file", "error", "link to itself", "fetch the picture", "itself"),
    Fault("16_path_out_of_the_folder", "image-path", "error", "leads out of", "put it below"),
    Fault("16_absolute_path", "image-path", "error", "is a path of another place", "dataset.path_map={/etc/hostname"),
    Fault("16_address", "image-path", "error", "is an address", "fetch it, and name the file"),
    Fault("17_nan", "malformed-file", "error", "records.jsonl:2: NaN is not JSON", "mend that place", "#2"),
    Fault("17_key_twice", "malformed-file", "error", "the key 'answer' stands twice", "mend that place", "#2"),
    Fault("17_trailing_comma", "malformed-file", "error", "malformed JSON", "mend that place", "#2"),
    Fault("17_half_a_line", "malformed-file", "error", "records.jsonl:2: malformed JSON", "mend that place", "#2"),
    Fault("17_list_for_an_object", "malformed-record", "error", "stands where an object is expected", MEND, "#2"),
    Fault("17_number_for_a_text", "malformed-record", "error", "field 'question' is 7, and a text is needed"),
    Fault("19_another_picture", "other-image", "skip", "speaks of 'previous image'", "left out"),
    Fault("19_two_figures", "other-image", "skip", "speaks of 'Figures A and B'", "left out"),
    Fault("19_more_marks_than_pictures", "image-count", "error", "2 marks <image> and 1 pictures"),
    Fault("19_two_pictures_without_marks", "image-count", "error", "0 marks <image> and 2 pictures"),
    Fault("19_mark_of_the_model", "image-token-in-text", "error", "<|image_pad|>", "take it out of the record"),
)
# Kept, and read as they are meant.
WARNINGS = (
    Fault("03_two_frames", "image-frames", "warn", "2 frames, of which the first is used", ""),
    Fault("05_smaller_than_a_token", "image-tiny", "warn", "20 x 20 is less than one visual token", "scaled up"),
    Fault("13_two_names", "image-of-two-names", "warn", "the picture is also", "Splits must not part them"),
    Fault("13_one_name_in_two_folders", "name-of-two-images", "warn", "shows something else", "Never match pictures"),
)
# Case -> record -> options and letter of a record that looks odd and is read.
READ = {
    "06_options_in_other_shapes": {
        "object": (["whorled", "nested"], "B"), "text": (["whorled", "nested"], "B"),
        "nine": ([f"pattern {number}" for number in range(9)], "B"),
    },
    "07_letters_in_other_shapes": {
        name: (["whorled", "nested", "corded", "solid"], "B") for name in ("small", "brackets")
    },
    "11_options_that_are_never_cut": {
        "faulty": (["a) or b), in brackets", "said \"nested\" and 'corded'", "Both A and C", "None of the above"], "C")
    },
    "15_spaces_and_brackets": {"faulty": (["whorled", "nested", "corded", "solid"], "B")},
    "17_byte_order_mark": {"sound": (["whorled", "nested"], "A")},
}  # fmt: skip
# Of tables: no record of theirs can be told from another where the file itself cannot be read.
TABLES = (
    Fault(
        "18_cell_too_many", "malformed-record", "error", "9 cells, and the heading has 8", "mend the row", "train.csv:3"
    ),
    Fault(
        "18_cell_too_few", "malformed-record", "error", "7 cells, and the heading has 8", "mend the row", "train.csv:3"
    ),
    Fault("18_label_of_another_answer", "gold-contradictory", "error", "the label is A", "mend the row", "train.csv:3"),
    Fault("18_windows_1252", "encoding", "warn", "read as Windows-1252", "look at its letters", "train.csv:2"),
    Fault("18_quote_without_end", "malformed-file", "error", "train.csv:3:", "Close the quote", "pmc_vqa"),
    Fault("18_without_a_column", "malformed-file", "error", "no column Choice D", "Check that this is", "pmc_vqa"),
)


def laid_out(root: Path) -> Path:
    """A copy of the files, with what no repository keeps: a pipe, a folder and links in the places of pictures."""
    shutil.copytree(FILES, root)
    place = root / "15_not_files"
    os.mkfifo(place / "pipe.png")
    (place / "folder.png").mkdir()
    (place / "nowhere.png").symlink_to("gone.png")
    (place / "itself.png").symlink_to("itself.png")
    shutil.copy(root / "sound.png", root.parent / "out.png")
    (place / "outside.png").symlink_to(root.parent / "out.png")
    return root


def lines_of(cases: Sequence[str], role: str = "sft") -> str:
    """`dataset.splits` with the records of these cases, each a split of the role."""
    files = ", ".join(f"{case}/records.jsonl" for case in cases)
    splits = [f"{name}: [{files if name == role else ''}]" for name in ("sft", "rl", "validation", "test")]
    return f"dataset.splits={{{', '.join(splits)}}}"


def state_of(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every name below a folder, with its kind, time of change and content: what nothing may alter."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if _is_regular(path) else b""
        )
        for path in sorted(root.rglob("*"))
    }  # fmt: skip


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
