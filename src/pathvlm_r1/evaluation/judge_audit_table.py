"""The table and the sentences in the terminal of a judge's audit."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.evaluation.judge_audit import JudgeAudit
from pathvlm_r1.evaluation.readiness import Estimate

SHOWN_REASONS = 3


def audit_table(audit: JudgeAudit) -> Table:
    """A row per event: how often it is said and how often it is true, and how far both agree."""
    header = ("", "said", "true", "precision", "recall", "kappa")
    table = Table(*header, box=SIMPLE, show_edge=False, pad_edge=False, collapse_padding=True)
    for one in audit.events:
        table.add_row(
            one.event, str(one.both + one.only_judged), str(one.both + one.only_true),
            *(_stacked(estimate) for estimate in (one.precision, one.recall, one.kappa)),
        )  # fmt: skip
    return table


def audit_sentences(audit: JudgeAudit) -> Iterator[str]:
    """What is missing, the scores, the stability and the cost, one a line."""
    asked = f"of {audit.completions}" + (f", each of {audit.repeats} times" if audit.repeats > 1 else "")
    yield f"without a verdict: {', '.join(map(str, audit.missing))} {asked}"
    for reason, count in list(audit.reasons.items())[:SHOWN_REASONS]:
        yield f"  {count} times: {reason}"
    if len(audit.reasons) > SHOWN_REASONS:
        yield f"  and {len(audit.reasons) - SHOWN_REASONS} other reasons"
    if audit.unfound_evidence:
        yield f"events called present whose evidence does not stand in the completion: {audit.unfound_evidence}"
    if audit.score is not None:
        score = audit.score
        yield (
            f"process score: {score.judged:.3f} by the judge, {score.true:.3f} in truth, bias "
            f"{_estimate(score.bias, sign='+')}, Spearman {_number(score.spearman)}, over {audit.compared} completions"
        )
    if audit.stability is not None:
        told = audit.stability
        unchanged = "-" if told.unchanged is None else f"{told.unchanged:.1%}"
        yield (
            f"stability: Spearman between times {_number(told.mean_spearman)}, all six events alike every time in "
            f"{unchanged} of {told.compared} completions"
        )
    cost = audit.cost
    per_1000 = "" if cost.usd_per_1000 is None or cost.seconds_per_1000 is None else (
        f"; {cost.usd_per_1000:.2f} USD and {cost.seconds_per_1000:.0f} s for 1,000"
    )  # fmt: skip
    yield f"cost: {cost.asked} verdicts asked anew, {cost.usd:.4f} USD{per_1000}"


def _estimate(estimate: Estimate | None, *, sign: str = "") -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{sign}.3f}"
    return f"{estimate.value:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"


def _stacked(estimate: Estimate | None) -> str:
    """On two lines, so that the table fits into 80 columns."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return _estimate(estimate)
    return f"{estimate.value:.3f}\n[{estimate.low:.2f}, {estimate.high:.2f}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
