"""What may be wrong with the records of a dataset, by kind, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pathvlm_r1.data.sample import Sample

Action = Literal["error", "skip", "warn"]


class DefectKind(StrEnum):
    """The classes of defects; a name says what is wrong with the record, its file or its picture."""

    MALFORMED_FILE = "malformed-file"  # JSON, CSV or Parquet that cannot be read to its end
    MALFORMED_RECORD = "malformed-record"  # not an object, a field that is missing or of another type
    ENCODING = "encoding"  # not UTF-8, read as Windows-1252
    OPTIONS_MISSING = "options-missing"  # none, null, or a single one
    OPTIONS_UNREADABLE = "options-unreadable"  # a shape that has no one reading, or more options than letters
    OPTIONS_ALIKE = "options-alike"  # equal after normalising: no answer to them can be scored
    GOLD_MISSING = "gold-missing"
    GOLD_NOT_AN_OPTION = "gold-not-an-option"  # neither a letter nor a text of the options
    GOLD_AMBIGUOUS = "gold-ambiguous"  # it fits several options
    GOLD_CONTRADICTORY = "gold-contradictory"  # its letter and its text name different options
    CHOICES_IN_QUESTION = "choices-in-question"  # the question repeats the options; they are taken out of it
    INSTRUCTION_LEFT_OUT = "instruction-left-out"  # of text behind the options: the contract has its own
    CLASS_UNKNOWN = "class-unknown"  # of a picture whose question is made anew from its class
    LEFT_OUT_TO_BALANCE = "left-out-to-balance"  # no defect of the picture: its class has more than the others
    DUPLICATE_ID = "duplicate-id"
    DUPLICATE_QUESTION = "duplicate-question"  # the same question, options and picture twice in a split
    ANSWERS_DIFFER = "answers-differ"  # of the same question on the same picture
    QUESTION_IN_TWO_SPLITS = "question-in-two-splits"
    IMAGE_MISSING = "image-missing"
    IMAGE_NAME_CASE = "image-name-case"  # there is one whose name differs in upper and lower case alone
    IMAGE_NOT_A_FILE = "image-not-a-file"  # a folder, a pipe, a device, or a link that leads nowhere or out of the root
    IMAGE_NOT_DOWNLOADED = "image-not-downloaded"  # empty, a web page or a Git LFS pointer in its place
    IMAGE_NOT_READABLE = "image-not-readable"  # no right to read it
    IMAGE_DAMAGED = "image-damaged"  # truncated, corrupt or of an unknown format
    IMAGE_TOO_LARGE = "image-too-large"  # more pixels than memory is given for
    IMAGE_STRIP = "image-strip"  # too long for its width
    IMAGE_WITHOUT_WHITE = "image-without-white"  # 32 bits of grey, whose range nothing says
    IMAGE_FRAMES = "image-frames"  # several, of which the first is used
    IMAGE_TINY = "image-tiny"  # less than one visual token wide or high
    IMAGE_IN_TWO_SPLITS = "image-in-two-splits"
    IMAGE_OF_TWO_NAMES = "image-of-two-names"  # the same pixels in two files
    NAME_OF_TWO_IMAGES = "name-of-two-images"  # in two folders
    IMAGE_PATH = "image-path"  # an address, an absolute path of another machine, or one that leaves the root
    IMAGE_COUNT = "image-count"  # marks in the text and pictures of the record are not equally many
    OTHER_IMAGE = "other-image"  # the question speaks of a picture that the record does not have
    IMAGE_TOKEN_IN_TEXT = "image-token-in-text"  # noqa: S105  a name


@dataclass(frozen=True)
class Defect:
    """One fault of one record or file.

    An `error` is for a person to decide: it ends a run unless the dataset's policy is to drop such records. `skip`
    leaves the record out and counts it; `warn` keeps it.
    """

    record: str  # the record's id, as in PubMed/val/17, or file:line
    file: str
    defect: DefectKind
    message: str  # what is wrong and what to do
    action: Action


@dataclass(frozen=True)
class ReadResult:
    """What a reader found: the samples that can be used, in the order of the file, and every defect."""

    samples: list[Sample]
    defects: list[Defect]
