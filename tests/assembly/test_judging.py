"""From a configuration to a judge: what cannot be asked is refused before, and a plan says what it would cost."""

from dataclasses import replace

import pytest
from composing import changed
from omegaconf import OmegaConf
from written_completions import CONTRACT

from pathvlm_r1.assembly.identity import run_hash
from pathvlm_r1.assembly.judging import judge_of, require_judge, show_judge_plan, with_typed_limits
from pathvlm_r1.assembly.rewards import missing_of, reward_terms
from pathvlm_r1.config import ConfigError, TrainConfig
from pathvlm_r1.reward import Missing, OracleJudge, Rule
from pathvlm_r1.reward.judges import Budget, NoisyJudge, OpenAIJudge, RulesJudge, Tie

SMALL = {
    "dataset.splits": {"sft": 6, "rl": 40, "validation": 5, "test": 6}, "stage.prompts_per_step": 4,
    "stage.group_size": 8, "stage.max_steps": 10, "stage.minibatches": 2,
}  # fmt: skip


def composed(**values):
    return changed("train", ["judge=openai"], SMALL | {f"judge.{key}": value for key, value in values.items()})


def config(**values):
    return TrainConfig.checked(composed(**values))


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_is_one_message_that_names_its_variable(value, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("JUDGE_KEY", value)
    with pytest.raises(ConfigError) as caught:
        require_judge(config(api_key_env="JUDGE_KEY").judge)
    assert str(caught.value) == (
        "judge.api_key_env=JUDGE_KEY: this environment variable is not set; export the key of "
        "https://api.openai.com/v1 in it, or set judge.api_key_env=null for a server that takes none"
    )


def test_a_prompt_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"judge\.prompt=v9: one of process_events_v1"):
        require_judge(config(prompt="v9").judge)


def test_the_key_comes_from_the_variable_and_is_shown_nowhere(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", " the-key\n")
    judge = judge_of(config(api_key_env="JUDGE_KEY").judge, CONTRACT)
    assert judge.client.endpoint.api_key == "the-key"
    assert "the-key" not in repr(judge)


@pytest.mark.parametrize(("processes", "spacing"), [(1, 0.5), (4, 2.0)])
def test_processes_share_the_limit_on_requests(processes, spacing):
    judge = judge_of(config(api_key_env=None, requests_per_minute=120).judge, CONTRACT, processes)
    assert judge.client.endpoint.spacing == spacing


def test_values_reach_the_part_that_reads_them():
    values = {"max_cost": 3.5, "image_tokens": 7, "void_unfound_evidence": False, "max_missing_share": 0.7,
              "concurrency": 3, "max_failures": 4, "image_size": 99, "reference": "hidden"}  # fmt: skip
    judge = judge_of(config(api_key_env=None, **values).judge, CONTRACT)
    assert judge.budget == Budget(input_price=2.5, output_price=10.0, image_tokens=7, max_cost=3.5)
    assert (judge.is_voiding, judge.max_missing_share) == (False, 0.7)
    assert (judge.client.endpoint.concurrency, judge.client.endpoint.breaker) == (3, 4)
    assert (judge.asking.max_side, judge.asking.reference) == (99, "hidden")


def test_a_reward_has_the_judge_that_is_chosen_or_leaves_its_term_out():
    checked = config(api_key_env=None)
    names = [weighted.term.name for weighted in reward_terms(checked.reward, CONTRACT, None)]
    assert names == ["accuracy", "format"]
    assert reward_terms(checked.reward, CONTRACT, checked.judge)[-1].term.judge.name == "openai"
    oracle = TrainConfig.checked(changed("train", [], {})).judge
    assert isinstance(reward_terms(checked.reward, CONTRACT, oracle)[-1].term.judge, OracleJudge)


def test_how_a_judge_is_asked_does_not_tell_runs_apart_and_what_it_is_asked_does():
    wanted = run_hash(config(), [])
    assert run_hash(config(concurrency=2, cache="elsewhere.sqlite", max_cost=9.0), []) == wanted
    assert run_hash(config(reference="hidden"), []) != wanted


def test_the_papers_fallback_is_warned_of_and_the_others_are_not(caplog):
    for missing in Missing:
        assert missing_of(replace(config().reward, missing=missing.value)) is missing
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["reward.missing=paper"]


def test_a_run_that_goes_on_takes_the_typed_limits_and_keeps_all_else():
    own, new = config(max_cost=1.0, seed=3), config(max_cost=2.0, seed=4, concurrency=5)
    gone_on = with_typed_limits(own, new.judge, ["resume=x", "judge=openai", "judge.max_cost=2.0"])
    assert gone_on == replace(own, judge=replace(own.judge, max_cost=2.0))
    assert with_typed_limits(own, new.judge, ["resume=x"]) == own
    oracle = TrainConfig.checked(changed("train", [], {}))
    with pytest.raises(ConfigError, match=r"judge\.max_cost: judge=oracle is that of the run"):
        with_typed_limits(oracle, new.judge, ["resume=x", "judge=openai", "judge.max_cost=2.0"])


@pytest.mark.medium
def test_a_dry_run_says_calls_tokens_and_cost_and_whether_the_cap_is_enough(tmp_path, capsys):
    free = {"api_key_env": "JUDGE_KEY_THAT_IS_NOT_SET", "cache": str(tmp_path / "judge.sqlite"), "dry_run": True}
    assert show_judge_plan(composed(**free, max_cost=100.0))
    said = capsys.readouterr().out
    assert (
        "calls   165: 160 of rollouts, 5 of validations" in said
    )  # 10 / 2 rollouts of 4 x 8, one validation at the end
    assert f"at most {165 * 768} out" in said
    assert "judge.max_cost=100 USD, of which 0.00 are spent" in said
    assert "enough\n" in said
    assert "NOT" not in said
    assert show_judge_plan(composed(**free, max_cost=0.5))
    assert "NOT enough, the run would stop" in capsys.readouterr().out
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_without_dry_run_nothing_is_said(capsys):
    assert not show_judge_plan(composed())
    assert not show_judge_plan(changed("train", [], {}))
    assert capsys.readouterr().out == ""


@pytest.mark.medium
@pytest.mark.parametrize("choice", ["stage=sft", "stage=pretrain", "reward=accuracy"])
def test_a_dry_run_of_what_pays_no_judge_is_refused(choice):
    with pytest.raises(ConfigError, match=r"judge\.dry_run=true: .*pays no judge"):
        show_judge_plan(changed("train", ["judge=openai", choice], {"judge.dry_run": True}))


PANEL = ["judge=panel", "+judge@judge.members.paid=openai"]


def panel(*choices, **values):
    """A configuration with a panel; values of its paid member, but for `of_panel`."""
    of_panel = values.pop("of_panel", {})
    typed = {f"judge.members.paid.{key}": value for key, value in values.items()}
    return changed("train", [*PANEL, *choices], SMALL | typed | {f"judge.{key}": of_panel[key] for key in of_panel})


def checked_panel(**values):
    return TrainConfig.checked(panel(**values))


def test_a_panel_is_built_of_its_members_with_its_rule():
    values = {"rule": "mean", "tie": "lenient", "quorum": 3, "members.noisy.seed": 5}
    judge = judge_of(checked_panel(api_key_env=None, requests_per_minute=60, of_panel=values).judge, CONTRACT, 2)
    assert list(judge.members) == ["oracle", "rules", "noisy", "paid"]
    assert (judge.rule, judge.tie, judge.quorum) == (Rule.MEAN, Tie.LENIENT, 3)
    assert [type(member) for member in judge.members.values()] == [OracleJudge, RulesJudge, NoisyJudge, OpenAIJudge]
    assert judge.members["paid"].client.endpoint.spacing == 2.0
    noisy = judge.members["noisy"]
    assert (noisy.name, noisy.seed, noisy.rates["definition_error"].false_absent) == ("noisy_20", 5, 0.2)
    assert isinstance(noisy.judge, OracleJudge)


def test_a_noisy_judge_wraps_the_judge_that_is_named():
    judge = judge_of(
        TrainConfig.checked(changed("train", ["judge=noisy_40"], {"judge.judge": "rules"})).judge, CONTRACT
    )
    assert isinstance(judge.judge, RulesJudge)
    assert isinstance(judge_of(TrainConfig.checked(changed("train", ["judge=rules"], {})).judge, CONTRACT), RulesJudge)


def test_a_panels_member_without_its_key_is_refused_by_its_place(monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        require_judge(checked_panel(api_key_env="JUDGE_KEY").judge)
    assert str(caught.value).startswith(
        "judge.members.paid.api_key_env=JUDGE_KEY: this environment variable is not set"
    )
    assert "or set judge.members.paid.api_key_env=null" in str(caught.value)
    with pytest.raises(ConfigError, match=r"judge\.members\.paid\.prompt=v9: one of process_events_v1"):
        require_judge(checked_panel(prompt="v9").judge)


@pytest.mark.medium
def test_how_a_member_is_asked_does_not_tell_runs_apart_and_what_a_panel_is_does():
    wanted = run_hash(checked_panel(), [])
    assert run_hash(checked_panel(concurrency=2, max_cost=9.0, of_panel={"dry_run": True}), []) == wanted
    others = [checked_panel(reference="hidden"), *(checked_panel(of_panel=values) for values in (
        {"rule": "mean"}, {"tie": "lenient"}, {"quorum": 3}, {"members.noisy.seed": 1},
        {"members.noisy.errors.definition_error.false_absent": 0.3},
    ))]  # fmt: skip
    assert len({run_hash(other, []) for other in others} | {wanted}) == len(others) + 1


def test_a_panel_that_goes_on_takes_the_typed_limits_of_its_paid_member():
    own, new = checked_panel(max_cost=1.0, seed=3), config(max_cost=2.0, seed=4)
    gone_on = with_typed_limits(own, new.judge, ["resume=x", "judge=openai", "judge.max_cost=2.0"])
    assert gone_on == checked_panel(max_cost=2.0, seed=3)
    free = TrainConfig.checked(changed("train", ["judge=panel"], {}))
    with pytest.raises(ConfigError, match=r"judge\.max_cost: judge=panel is that of the run, which has no such limit"):
        with_typed_limits(free, new.judge, ["resume=x", "judge=openai", "judge.max_cost=2.0"])


@pytest.mark.medium
@pytest.mark.parametrize("key", ["judge.dry_run", "judge.members.paid.dry_run"])
def test_a_dry_run_of_a_panel_counts_the_calls_of_its_paid_members(key, tmp_path, capsys):
    second = ["+judge@judge.members.second=openai"]
    composed = panel(*second, cache=str(tmp_path / "a.sqlite"), max_cost=100.0)
    for name, value in {key: True, "judge.members.second.cache": str(tmp_path / "b.sqlite")}.items():
        OmegaConf.update(composed, name, value)
    assert show_judge_plan(composed)
    said = capsys.readouterr().out
    assert said.count("calls   165: 160 of rollouts, 5 of validations") == 2
    assert "judge.members.paid=openai model=gpt-4o-2024-08-06: nothing was sent" in said
    assert "judge.members.second=openai" in said
    assert "judge.members.paid.max_cost=100 USD" in said
    assert not list(tmp_path.iterdir()), "nothing is written by the plan"


def test_a_dry_run_of_a_panel_that_costs_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"judge\.dry_run=true: stage=grpo reward=dual judge=panel pays no judge"):
        show_judge_plan(changed("train", ["judge=panel"], {"judge.dry_run": True}))
    assert not show_judge_plan(changed("train", ["judge=panel"], {}))
