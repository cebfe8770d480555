"""Two runs side by side: the predictions files that both have, and their questions, matched or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pathvlm_r1.evaluation.collecting import name_parts, read_answers
from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.predictions import Prediction
from pathvlm_r1.tracking import RunFolder, TrackingError


class Mismatch(StrEnum):
    """In what two runs may differ on the same questions, once that is named."""

    CONTRACT = "contract"
    PROMPT = "prompt"
    PICTURE = "picture"


Decodes = tuple[Prediction, ...]


@dataclass(frozen=True)
class Pair:
    """One question as both runs answered it, with each run's decodes."""

    a: Decodes
    b: Decodes

    @property
    def first(self) -> Prediction:
        """Of run a, for what both have in common."""
        return self.a[0]


@dataclass(frozen=True, kw_only=True)
class PairedRuns:
    """The questions of one dataset that both runs answered, and what does not match."""

    dataset: str
    pairs: tuple[Pair, ...]  # in the order of their ids
    only_a: int  # questions that the other did not answer, left out
    only_b: int
    mismatches: Mapping[Mismatch, int]  # questions that differ in it

    @property
    def contracts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The contracts of either run."""
        a, b = ({p.contract for pair in self.pairs for p in side(pair)} for side in (_of_a, _of_b))
        return tuple(sorted(a)), tuple(sorted(b))

    @property
    def decodes(self) -> tuple[int, int]:
        """Completions per question of either run."""
        return len(self.pairs[0].a), len(self.pairs[0].b)


def common_files(
    a: Path, b: Path, *, split: str, decoding: str, contract: str
) -> tuple[dict[str, tuple[Path, Path]], tuple[str, ...], tuple[str, ...]]:
    """Dataset -> the files of both runs, and the datasets that a or b has alone.

    Args:
        a: folder of a run, or a file of predictions; b likewise.
        b: as `a`: two folders or two files.
        split: of the files in the folders.
        decoding: likewise; those of controls are left aside.
        contract: likewise.

    Raises:
        TrackingError: there is nothing to compare.
    """
    if a.is_file() and b.is_file():
        return {a.stem if a.stem == b.stem else f"{a.stem} and {b.stem}": (a, b)}, (), ()
    asked = (split, decoding, contract)
    of_a, of_b = (_files("a", a, asked), _files("b", b, asked))
    both = {name: (of_a[name], of_b[name]) for name in of_a if name in of_b}
    if not both:
        raise TrackingError(
            f"a={a} and b={b} have no dataset in common on {'.'.join(asked)}: {', '.join(of_a)} against "
            f"{', '.join(of_b)}. Evaluate both on one: python src/eval.py model.checkpoint=<run>/export dataset=…"
        )
    return both, tuple(name for name in of_a if name not in both), tuple(name for name in of_b if name not in both)


def _files(key: str, run: Path, asked: tuple[str, str, str]) -> dict[str, Path]:
    """Dataset -> file of a split, a decoding and a contract."""
    if not run.is_dir():
        what = "is a file, and the other one is not; name two run folders or two files" if run.exists() else "not found"
        raise TrackingError(f"{key}={run}: {what}")
    named = {path: name_parts(path) for path in sorted(RunFolder(run).predictions.glob("*.jsonl"))}
    split, decoding, contract = asked
    found = {name[0]: path for path, name in named.items() if name[1:] == (*asked, None)}
    if not found:
        there = ", ".join(path.stem for path in named) or "none at all"
        raise TrackingError(
            f"{key}={run}: no predictions of split={split}, decoding={decoding} and contract={contract}; "
            f"there are: {there}. "
            f"Evaluate it: python src/eval.py model.checkpoint={run / 'export'} split={split}"
        )
    return found


def paired_runs(
    dataset: str, a: Path, b: Path, *, is_common_enough: bool, may_differ: Iterable[Mismatch]
) -> PairedRuns:  # fmt: skip
    """Match the questions of two files.

    Args:
        dataset: a name for both.
        a: a file of predictions; b likewise.
        b: as `a`.
        is_common_enough: compare what both answered, and count the rest; else any such rest is refused.
        may_differ: what may differ.

    Raises:
        TrackingError: different questions, reference answers, or a difference that is not in `may_differ`.
    """
    of_a, of_b = _by_question(a), _by_question(b)
    common = sorted(of_a.keys() & of_b.keys())
    only_a, only_b = sorted(of_a.keys() - of_b.keys()), sorted(of_b.keys() - of_a.keys())
    if not common or ((only_a or only_b) and not is_common_enough):
        raise TrackingError(_other_questions(dataset, common, only_a, only_b))
    pairs = tuple(Pair(of_a[name], of_b[name]) for name in common)
    changed = [pair.first.sample_id for pair in pairs if pair.a[0].reference != pair.b[0].reference]
    if changed:
        raise TrackingError(
            f"{dataset}: {len(changed)} of {len(pairs)} questions have another reference answer in b, such as "
            f"{changed[0]}: these are not the same questions. Evaluate both on the same data"
        )
    found = _mismatches(pairs)
    unnamed = [kind for kind in found if kind not in set(may_differ)]
    if unnamed:
        counted = ", ".join(f"{kind} on {found[kind]} of {len(pairs)} questions" for kind in unnamed)
        raise TrackingError(
            f"{dataset}: a and b differ in {counted}. Evaluate both alike, or name it: "
            f"may_differ=[{','.join(found)}] compares them and marks the result"
        )
    return PairedRuns(dataset=dataset, pairs=pairs, only_a=len(only_a), only_b=len(only_b), mismatches=found)


def _by_question(path: Path) -> dict[str, Decodes]:
    decodes = {name: tuple(group) for name, group in grouped(read_answers(path), lambda p: p.sample_id).items()}
    counts = sorted({len(group) for group in decodes.values()})
    repeated = [name for name, group in decodes.items() if len({p.decode for p in group}) != len(group)]
    if len(counts) > 1 or repeated:
        raise TrackingError(
            f"{path}: has {' to '.join(map(str, (counts[0], counts[-1])))} completions per question, "
            f"{len(repeated)} questions with one decode twice; evaluate the run again"
        )
    return decodes


def _other_questions(dataset: str, common: Sequence[str], only_a: Sequence[str], only_b: Sequence[str]) -> str:
    alone = [
        f"{len(names)} in {key} alone, such as {names[0]}" for key, names in (("a", only_a), ("b", only_b)) if names
    ]
    advice = "items=common compares what both answered" if common else "Evaluate both on the same data"
    return f"{dataset}: a and b answered different questions: {len(common)} in both, {', '.join(alone)}. {advice}"


def _mismatches(pairs: Sequence[Pair]) -> dict[Mismatch, int]:
    """What differs on how many questions; nothing of what agrees."""
    values: dict[Mismatch, Callable[[Prediction], str]] = {
        Mismatch.CONTRACT: lambda p: p.contract,
        Mismatch.PROMPT: lambda p: p.prompt_hash,
        Mismatch.PICTURE: lambda p: p.image_id,
    }
    counts = {
        kind: sum({value(p) for p in pair.a} != {value(p) for p in pair.b} for pair in pairs)
        for kind, value in values.items()
    }
    return {kind: count for kind, count in counts.items() if count}


def _of_a(pair: Pair) -> Decodes:
    return pair.a


def _of_b(pair: Pair) -> Decodes:
    return pair.b
