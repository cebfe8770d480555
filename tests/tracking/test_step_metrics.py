import pytest
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from tiny_training import LIGHTNING_WARNINGS, CountingModule, measured_at, read_metrics, trainer_with

from pathvlm_r1.tracking import build_logger

pytestmark = LIGHTNING_WARNINGS


class Calls(Logger):
    """A logger that keeps what it is given."""

    name, version = "calls", ""

    def __init__(self):
        super().__init__()
        self.given = []

    def log_metrics(self, metrics, step=None):
        self.given.append((step, dict(metrics)))

    def log_hyperparams(self, params):
        """None are of interest."""


class Late(Callback):
    """Measures behind the step, as a validation does, and reads what the step itself has measured."""

    def __init__(self):
        self.read = []

    def on_train_batch_end(self, trainer, pl_module, *_batch):
        self.read.append(float(trainer.callback_metrics["tiny/double"]))
        pl_module.log_metrics({"late": float(trainer.global_step)})


def doubling(module):
    module.log_metrics({"tiny/double": 2.0 * module.seen[-1]})


def given_to_logger(folder, module, *, batches=4, callbacks=(), **settings):
    logger = Calls()
    trainer = trainer_with(folder, max_steps=batches, logger=logger, callbacks=list(callbacks), **settings)
    trainer.fit(module)
    return logger.given, trainer


@pytest.mark.parametrize(("every", "rows"), [(1, ["", "1.0", "", "", "4.0", ""]), (3, ["1.0", "4.0"])])
def test_a_metric_stands_where_it_was_measured_and_its_last_value_at_the_end(tmp_path, every, rows):
    trainer = trainer_with(tmp_path, max_steps=6, logger=build_logger("csv", tmp_path), log_every_n_steps=every)
    trainer.fit(measured_at(1, 4))
    assert [row["tiny/extra"] for row in read_metrics(tmp_path)] == rows
    assert float(trainer.callback_metrics["tiny/extra"]) == 4


def test_a_logger_gets_all_metrics_of_a_step_at_once_also_those_of_callbacks(tmp_path):
    late = Late()
    given, _ = given_to_logger(tmp_path, CountingModule(batches=4, on_step=doubling), callbacks=[late])
    assert [step for step, _ in given] == [0, 1, 2, 3]
    assert all(set(metrics) == {"tiny/loss", "tiny/double", "late"} for _, metrics in given)
    assert [metrics["tiny/double"] for _, metrics in given] == late.read == [0, 2, 4, 6]
    assert [metrics["late"] for _, metrics in given] == [1, 2, 3, 4]


def test_numbers_reach_callbacks_and_loggers_as_they_were_measured(tmp_path):
    module = CountingModule(batches=1, on_step=lambda module: module.log_metrics({"rate": 1e-5 / 3}))
    given, trainer = given_to_logger(tmp_path, module, batches=1)
    assert given[0][1]["rate"] == 1e-5 / 3 == float(trainer.callback_metrics["rate"])


def test_of_a_metric_measured_twice_in_a_step_the_last_value_counts(tmp_path):
    def twice(module):
        module.log_metrics({"norm": 1.0})
        module.log_metrics({"norm": 2.0})

    given, _ = given_to_logger(tmp_path, CountingModule(batches=1, on_step=twice), batches=1)
    assert given[0][1]["norm"] == 2


def test_a_run_that_is_told_to_stop_writes_the_step_it_stops_at(tmp_path):
    def stop(module):
        module.trainer.should_stop = module.seen[-1] == 1

    given, _ = given_to_logger(tmp_path, CountingModule(batches=9, on_step=stop), batches=9, log_every_n_steps=5)
    assert [step for step, _ in given] == [1]


def test_a_run_that_logs_every_0_steps_writes_nothing_and_still_knows_its_last_metrics(tmp_path):
    given, trainer = given_to_logger(tmp_path, CountingModule(batches=3), batches=3, log_every_n_steps=0)
    assert given == []
    assert float(trainer.callback_metrics["tiny/loss"]) < 1
