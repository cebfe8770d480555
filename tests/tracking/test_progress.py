import io

import pytest
import rich
import torch
from rich.console import Console
from tiny_training import LIGHTNING_WARNINGS, CountingModule, trainer_with

from pathvlm_r1.tracking import StepProgress, progress_over

pytestmark = LIGHTNING_WARNINGS


@pytest.fixture
def console(monkeypatch):
    """Give rich a console that writes into a string, as a terminal or not."""

    def set_console(*, is_terminal):
        console = Console(file=io.StringIO(), force_terminal=is_terminal, width=120)
        monkeypatch.setattr(rich, "_console", console)
        return console.file

    return set_console


def test_a_log_file_gets_a_line_per_tenth_with_steps_metrics_and_times(console, tmp_path):
    written = console(is_terminal=False)
    trainer_with(tmp_path, max_steps=40, callbacks=[StepProgress("SFT", 40)], enable_progress_bar=True).fit(
        CountingModule(batches=50)
    )
    lines = written.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("SFT 4/40  loss ")
    assert lines[-1].startswith("SFT 40/40  loss ")
    assert lines[-1].endswith("elapsed, 0:00:00 left")


def test_a_terminal_gets_a_bar_that_ends_complete(console, tmp_path):
    written = console(is_terminal=True)
    trainer_with(tmp_path, max_steps=8, callbacks=[StepProgress("SFT", 8)], enable_progress_bar=True).fit(
        CountingModule(batches=8)
    )
    assert "SFT" in written.getvalue()
    assert "8/8" in written.getvalue()
    assert "loss" in written.getvalue()


def test_steps_are_optimiser_steps_also_where_a_batch_takes_several(console, tmp_path):
    written = console(is_terminal=False)
    trainer_with(tmp_path, max_steps=12, callbacks=[StepProgress("GRPO", 12)], enable_progress_bar=True).fit(
        CountingModule(batches=9, steps_per_batch=3)
    )
    assert [line.split()[1] for line in written.getvalue().splitlines()] == ["3/12", "6/12", "9/12", "12/12"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_over_gives_the_items_unchanged_and_counts_them(console, is_terminal):
    written = console(is_terminal=is_terminal)
    assert list(progress_over(iter("abcde"), "evaluating", 5)) == list("abcde")
    assert "evaluating" in written.getvalue()
    assert "5/5" in written.getvalue()


def test_a_loop_that_is_left_early_closes_its_bar(console):
    console(is_terminal=True)
    items = progress_over(range(5), "evaluating", 5)
    next(items)
    items.close()
    assert rich.get_console()._live_stack == []


def test_only_metrics_whose_last_part_is_chosen_are_shown(console, tmp_path):
    written = console(is_terminal=False)
    module = CountingModule(batches=2)
    module.extra = {
        "grpo/reward/total": torch.tensor(1.5),
        "grpo/seconds/reward": 9.0,
        "grpo/kl": 9.0,
        "grpo/reward/accuracy": 0.5,
        "grpo/missing/accuracy": 9.0,
        "validation/accuracy": 0.25,
    }
    trainer_with(tmp_path, max_steps=1, callbacks=[StepProgress("GRPO", 1)], enable_progress_bar=True).fit(module)
    assert "reward/total 1.500  reward/accuracy 0.500  validation/accuracy 0.250" in written.getvalue()
    assert "kl" not in written.getvalue()
    assert "9.0" not in written.getvalue()
