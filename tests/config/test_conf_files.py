"""What `conf/` holds: every file composes and passes, with the keys of its dataclass and no others."""

from collections.abc import Mapping
from dataclasses import MISSING, FrozenInstanceError, fields, is_dataclass
from itertools import product
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest
from composing import (
    CONF,
    DATA_TASKS,
    ENTRY_POINTS,
    MEASURING,
    REPORT_TASKS,
    changed,
    choices,
    composed,
    schema_of,
    spread,
)
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from pathvlm_r1 import config
from pathvlm_r1.config import ConfigError, ReportConfig, TrainConfig, run, stage
from pathvlm_r1.data import pretraining
from pathvlm_r1.reward import EVENTS, Rule
from pathvlm_r1.reward.judges import Tie

pytestmark = pytest.mark.medium
SCHEMAS = {
    "adapter/full": config.FullConfig,
    "adapter/lora": config.LoRAConfig,
    "dataset/bccd": config.BCCDConfig,
    "dataset/hf": config.HubConfig,
    "dataset/jsonl": config.FilesConfig,
    "dataset/llama_factory": config.FilesConfig,
    "dataset/medxpertqa_mm": config.ChoicesConfig,
    "dataset/mixture": config.MixtureConfig,
    "dataset/omnimedvqa": config.OmniMedVQAConfig,
    "dataset/omnimedvqa_hard": config.OmniMedVQAHardConfig,
    "dataset/pathmmu": config.PathMMUConfig,
    "dataset/parquet": config.FilesConfig,
    "dataset/pathvqa": config.HubTablesConfig,
    "dataset/phantom": config.PhantomConfig,
    "dataset/pmc_vqa": config.ChoicesConfig,
    "dataset/slake": config.SlakeConfig,
    "dataset/trl": config.FilesConfig,
    "dataset/vqa_rad": config.HubTablesConfig,
    "evaluation/forced": config.ForcedChoiceConfig,
    "evaluation/judge": config.JudgeQualityConfig,
    "evaluation": config.EvaluationConfig,
    "judge/local": config.LocalJudgeConfig,
    "judge/noisy": config.NoisyJudgeConfig,
    "judge/openai": config.OpenAIJudgeConfig,
    "judge/oracle": config.OracleJudgeConfig,
    "judge/panel": config.PanelJudgeConfig,
    "judge/rules": config.RulesJudgeConfig,
    "logger/csv": config.LocalLoggerConfig,
    "logger/none": config.LocalLoggerConfig,
    "logger/wandb": config.WandbLoggerConfig,
    "model": config.ModelConfig,
    "objective": config.ObjectiveConfig,
    "reward": config.RewardConfig,
    "rollout/hf": config.LocalRolloutConfig,
    "rollout/native": config.LocalRolloutConfig,
    "rollout/vllm": config.VLLMRolloutConfig,
    "stage/grpo": config.GRPOConfig,
    "stage/pretrain": config.PretrainConfig,
    "stage/sft": config.SFTConfig,
}


STAGE_ROWS = spread(
    list(product(choices("stage"), choices("model"), choices("adapter"))),
    "dataset", "reward", "trainer", "objective", "evaluation", "logger", "rollout", "judge",
)  # fmt: skip
EVAL_ROWS = spread(
    list(product(choices("dataset"), choices("reward")))[::7],
    [task for task in choices("task") if task not in (*DATA_TASKS, *REPORT_TASKS)],
    "model", "trainer", "judge", "rollout", "evaluation",
)  # fmt: skip
EVAL_ROWS += [("task=evaluate", choice) for choice in MEASURING]
DATA_ROWS = list(product(choices("dataset"), [task for task in DATA_TASKS if task != "task=fetch"]))[::3]


IN_VAIN = "cannot score the process term"


def refusal_of(row: tuple[str, ...]) -> str | None:
    """With which words a row is refused whose choices do not go together."""
    if "stage=pretrain" in row:
        if not {"model=nano", "adapter=full"} <= set(row):
            return "stage=pretrain needs"
    elif {"rollout=vllm", "adapter=lora"} <= set(row):
        return "rollout.weight_sync=reload: adapter"
    return IN_VAIN if is_judged_in_vain("train", row) else None


def is_judged_in_vain(name: str, row: tuple[str, ...]) -> bool:
    """Whether a row has a process term and a judge that needs the findings which its dataset does not have."""
    composition = composed(name, *row)
    judge = OmegaConf.to_container(composition.judge)
    names = {member.get("judge", member["name"]) for member in [judge, *judge.get("members", {}).values()]}
    is_judged = composition.reward.get("process") is not None
    return is_judged and not run.JUDGES_BY_DATASET[composition.dataset.kind] and bool(names & {"oracle", "noisy"})


@pytest.mark.parametrize("row", STAGE_ROWS, ids=" ".join)
def test_every_choice_trains_but_those_that_do_not_go_together(row):
    if refusal := refusal_of(row):
        with pytest.raises(ConfigError, match=refusal):
            TrainConfig.checked(composed("train", *row))
    else:
        checked = TrainConfig.checked(composed("train", *row))
        assert checked.trainer["max_steps"] == checked.stage.max_steps


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_every_experiment_trains_as_it_stands(experiment):
    assert TrainConfig.checked(composed("train", experiment)).output.startswith("outputs/")


def refusal_of_judging(row: tuple[str, ...]) -> str | None:
    """With which words a row is refused that asks a judge, and has nothing that is judged or one that costs money."""
    if not {"task=judge_audit", "task=overoptimisation"} & set(row):
        return None
    if {"reward=accuracy", "reward=accuracy_format", "reward=open_answers"} & set(row):
        return "needs the process term, which is judged"
    if "task=judge_audit" in row and not run.JUDGES_BY_DATASET[composed("eval", *row).dataset.kind]:
        return f"{IN_VAIN}|has no findings that an oracle could hold"
    return "one that costs nothing" if {"task=overoptimisation", "judge=openai"} <= set(row) else None


@pytest.mark.parametrize("row", EVAL_ROWS, ids=" ".join)
def test_every_choice_is_evaluated(row):
    refusal = refusal_of_judging(row)
    if refusal is None and {"task=rl_readiness", "task=rescore"} & set(row):
        refusal = IN_VAIN if is_judged_in_vain("eval", row) else None
    if refusal is not None:
        with pytest.raises(ConfigError, match=refusal):
            schema_of("eval", row).checked(composed("eval", *row))
    else:
        assert f"task={schema_of('eval', row).checked(composed('eval', *row)).task}" in row


@pytest.mark.parametrize("row", DATA_ROWS, ids=" ".join)
def test_every_task_takes_every_dataset(row):
    checked = schema_of("data", row).checked(composed("data", *row))
    assert (f"dataset={checked.dataset.name}", f"task={checked.task}") == row


@pytest.mark.parametrize("choice", MEASURING)
def test_what_decodes_no_answers_of_its_own_validates_no_training(choice):
    with pytest.raises(ConfigError, match="evaluation"):
        TrainConfig.checked(composed("train", choice))


def test_what_is_fetched_is_no_dataset_yet():
    assert schema_of("data", ["task=fetch"]).checked(composed("data", "task=fetch")).source == "owner/name"


def test_a_report_needs_nothing():
    assert ReportConfig.checked(composed("report")).out is None


@pytest.mark.parametrize("task", REPORT_TASKS)
def test_every_task_of_a_report_has_the_keys_of_its_dataclass_and_no_others(task):
    schema, settings = schema_of("report", [task]), composed("report", task)
    assert f"task={schema.checked(settings).task}" == task
    assert set(settings) == {field.name for field in fields(schema)}


def test_the_rows_above_hold_every_file_of_conf():
    tried = {choice for row in STAGE_ROWS + EVAL_ROWS + DATA_ROWS for choice in row} | set(choices("experiment"))
    tried |= {*REPORT_TASKS, "task=fetch"}
    assert tried == {f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml")}
    assert {path.stem for path in CONF.glob("*.yaml")} == set(ENTRY_POINTS)


def schema_of_file(path: Path) -> type:
    place = f"{path.parent.name}/{path.stem}"
    return next(SCHEMAS[key] for key in (place, place.split("_")[0], path.parent.name) if key in SCHEMAS)


FILES = [path for path in sorted(CONF.glob("*/*.yaml")) if path.parent.name not in ("trainer", "experiment", "task")]


def paths_of_yaml(values: object, prefix: str = "") -> set[str]:
    if not isinstance(values, dict):
        return {prefix}
    return {path for key, value in values.items() for path in paths_of_yaml(value, f"{prefix}.{key}")}


def paths_of_schema(schema: object, values: object, prefix: str = "") -> set[str]:
    """Every key that a dataclass has; below a mapping, those of the file, and nothing of what it leaves out."""
    if get_origin(schema) not in (tuple, Mapping):
        schema = next((member for member in get_args(schema) if is_dataclass(member)), schema)
    if not is_dataclass(schema):
        return paths_of_yaml(values, prefix)
    hints = {key: hint for key, hint in get_type_hints(schema).items() if key in values or not may_be_left_out(hint)}
    return {path for key in hints for path in paths_of_schema(hints[key], values.get(key), f"{prefix}.{key}")}


def may_be_left_out(hint: object) -> bool:
    """None, or keys, or a list: what only some files ask for."""
    members = get_args(hint)
    return type(None) in members and any(is_dataclass(m) or get_origin(m) in (tuple, Mapping) for m in members)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_of_conf_has_the_keys_of_its_dataclass_and_no_others(path):
    values = OmegaConf.to_container(OmegaConf.load(path))
    if "defaults" in values:  # an objective is composed of parts
        values = OmegaConf.to_container(composed("train", f"{path.parent.name}={path.stem}")[path.parent.name])
    assert paths_of_schema(schema_of_file(path), values) == paths_of_yaml(values)


def test_only_reward_terms_what_stands_around_them_a_correction_and_a_map_of_paths_may_be_left_out():
    schemas = {
        schema for schema in SCHEMAS.values() for hint in get_type_hints(schema).values() if may_be_left_out(hint)
    }
    assert schemas == {
        config.RewardConfig, config.VLLMRolloutConfig, config.PathMMUConfig, config.OmniMedVQAConfig,
        config.OmniMedVQAHardConfig, config.SlakeConfig, config.ChoicesConfig,
        config.FilesConfig, config.HubConfig,
    }  # fmt: skip


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_an_entry_point_has_the_keys_of_its_dataclass_and_no_others(name):
    assert set(composed(name)) == {field.name for field in fields(ENTRY_POINTS[name])}


def test_dataclasses_are_frozen_and_have_no_second_defaults():
    public = [getattr(config, name) for name in config.__all__]
    schemas = [schema for schema in public if isinstance(schema, type) and is_dataclass(schema)]
    assert len(schemas) > 20
    for schema in schemas:
        assert all(field.default is MISSING and field.default_factory is MISSING for field in fields(schema)), schema
    with pytest.raises(FrozenInstanceError):
        ReportConfig.checked(composed("report")).seed = 1


def test_values_come_in_the_types_of_their_fields():
    checked = TrainConfig.checked(changed("train", [], {"stage.beta": 0, "dataset.style_shares.terse": 0.1}))
    assert type(checked.stage.beta) is float
    assert checked.dataset.out_of_domain[0] == "phantom_ct"
    assert list(checked.dataset.style_shares.items()) == [("terse", 0.1), ("partial", 0.55), ("complete", 0.35)]
    assert checked.reward.process.coefficient == 0.4
    assert TrainConfig.checked(composed("train", "reward=accuracy")).reward.process is None


def test_a_term_of_the_reward_may_be_taken_out_or_put_in():
    assert TrainConfig.checked(changed("train", [], {"reward.process": None})).reward.process is None
    put_in = TrainConfig.checked(changed("train", ["reward=accuracy"], {"reward.format.weight": 2}))
    assert put_in.reward.format.weight == 2


def test_the_constant_of_dr_grpo_is_the_longest_completion():
    checked = TrainConfig.checked(changed("train", ["objective=dr_grpo"], {"model.max_completion_tokens": 50}))
    assert checked.objective.average["max_completion_tokens"] == 50


PART_FILES = sorted(CONF.glob("objective/*/*.yaml"))


@pytest.mark.parametrize("path", PART_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
@pytest.mark.parametrize("objective", ["grpo", "dr_grpo"])
def test_the_advantage_and_the_divergence_of_an_objective_may_be_exchanged(path, objective):
    part = path.parent.name
    row = ("stage=grpo", f"objective={objective}", f"objective/{part}={path.stem}")
    checked = TrainConfig.checked(composed("train", *row))
    assert getattr(checked.objective, part) == OmegaConf.to_container(OmegaConf.load(path))


def test_names_that_stand_in_two_places_agree():
    assert tuple(pretraining._KINDS) == stage.EXERCISES
    assert composed("train").model.checkpoint == config.EMBEDDED
    readiness, grpo = composed("eval", "task=rl_readiness"), composed("train", "stage=grpo").stage
    assert (readiness.split, readiness.group_size) == (grpo.split, grpo.group_size)
    assert (readiness.temperature, readiness.prompts_per_step) == (grpo.temperature, grpo.prompts_per_step)
    assert config.JUDGED_EVENTS == EVENTS
    for rule, name in ((Rule, "rule"), (Tie, "tie")):
        assert get_args(get_type_hints(config.PanelJudgeConfig)[name]) == tuple(rule)
    kinds = [get_args(get_type_hints(member)["kind"]) for member in get_args(config.DatasetConfig)]
    assert {kind for names in kinds for kind in names} == set(run.JUDGES_BY_DATASET)


def test_an_experiment_may_override_a_value_of_the_entry_point():
    assert TrainConfig.checked(composed("train", "experiment=demo")).output == "outputs/demo"


def test_hydra_itself_refuses_a_choice_that_there_is_not_and_names_the_valid_ones():
    with pytest.raises(ConfigCompositionException) as caught:
        composed("train", "reward=doul")
    assert all(path.stem in str(caught.value) for path in (CONF / "reward").glob("*.yaml"))
    with pytest.raises(ConfigCompositionException, match=r"Could not override 'stage\.gruop_size'"):
        composed("train", "stage.gruop_size=4")
