"""What may be asked of maps: each refusal names the key and what would be valid."""

import pytest
from composing import composed, message_of

from pathvlm_r1.config import ConfigError, ExplainConfig, refuse_unread
from pathvlm_r1.evaluation.explain import METHODS

EXPLAIN = ["task=explain"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("n", 0, "n=0: at least 1"),
        ("grid", 0, "grid=0: at least 1"),
        ("shifts", 0, "shifts=0: at least 1"),
        ("rows_per_batch", 0, "rows_per_batch=0: at least 1"),
        ("replicates", 0, "replicates=0: at least 1"),
        ("masks", 5, "masks=5: an even number: they come in pairs"),
        ("masks", 0, "masks=0: an even number: they come in pairs"),
        ("blur", 0.0, "blur=0.0: above 0 and at most 1, a share of the shorter side"),
        ("max_region", 1.0, "max_region=1.0: between 0 and 1, a share of the area"),
        ("overlays", -1, "overlays=-1: 0 or more"),
        ("seed", -1, "seed=-1: 0 or more, a seed"),
        ("out", " ", "out= : must not be empty"),
        ("shares", [], "shares=[]: at least one, each between 0 and 1"),
        ("shares", [0.2, 1.0], "shares=[0.2, 1.0]: at least one, each between 0 and 1"),
        ("pieces", [1, 4], "pieces=[1, 4]: each at least 2, and once"),
        ("pieces", [4, 4], "pieces=[4, 4]: each at least 2, and once"),
        ("methods", [], "methods=[]: at least one, each one once"),
        ("methods", ["rise", "rise"], "methods=[rise, rise]: at least one, each one once"),
        ("answer", "yes", "answer=yes: with {letter} or {option} in it, or all answers are the same"),
    ],
)
def test_a_value_that_makes_no_map_is_refused(key, value, message):
    assert message_of("eval", EXPLAIN, {key: value}) == message


def test_every_kind_of_map_may_be_asked_for_and_no_other():
    assert ExplainConfig.checked(composed("eval", *EXPLAIN)).methods == METHODS
    assert "gradient" in message_of("eval", EXPLAIN, {"methods": ["gradient"]})


@pytest.mark.parametrize("typed", ["reward=accuracy", "evaluation=sampled", "model.feature_folder=x", "output=y"])
def test_what_makes_no_map_is_refused_where_it_is_typed(typed):
    overrides = [*EXPLAIN, typed]
    with pytest.raises(ConfigError, match="task=explain does not read it"):
        refuse_unread(overrides, composed("eval", *overrides))
