"""The checked configuration: types, ranges and cross-checks of what `conf/` holds, without a second default."""

from pathvlm_r1.config.audit import JudgeAuditConfig, OveroptimisationConfig
from pathvlm_r1.config.data_files import ExportConfig, FetchConfig
from pathvlm_r1.config.data_tasks import AuditConfig, DataConfig, SplitConfig, VerifyConfig
from pathvlm_r1.config.dataset import BCCDConfig, DatasetConfig, PhantomConfig
from pathvlm_r1.config.engines import CAPABILITIES, Capability
from pathvlm_r1.config.explaining import ExplainConfig
from pathvlm_r1.config.formats import FieldsConfig, FilesConfig, HubConfig
from pathvlm_r1.config.generation import (
    GREEDY_ANSWERS,
    EvaluationConfig,
    ForcedChoiceConfig,
    JudgeQualityConfig,
    LocalRolloutConfig,
    MeasureConfig,
    RolloutConfig,
    VLLMRolloutConfig,
)
from pathvlm_r1.config.judge import (
    JUDGE_LIMITS,
    JUDGED_EVENTS,
    ErrorRatesConfig,
    JudgeConfig,
    LocalJudgeConfig,
    MemberConfig,
    NoisyJudgeConfig,
    OpenAIJudgeConfig,
    OracleJudgeConfig,
    PanelJudgeConfig,
    PriceConfig,
    RulesJudgeConfig,
    changed_within,
    composed_within,
    decisive,
    judges_within,
    language_models,
    paid_judges,
)
from pathvlm_r1.config.mixture import MixtureConfig, SourceConfig
from pathvlm_r1.config.model import EMBEDDED, RANDOM_6M, AdapterConfig, FullConfig, LoRAConfig, ModelConfig
from pathvlm_r1.config.objective import ObjectiveConfig
from pathvlm_r1.config.published import (
    ChoicesConfig,
    HubTablesConfig,
    OmniMedVQAConfig,
    OmniMedVQAHardConfig,
    PathMMUConfig,
    PublishedConfig,
    SlakeConfig,
)
from pathvlm_r1.config.pushing import PushConfig
from pathvlm_r1.config.reports import CompareConfig, ReportConfig
from pathvlm_r1.config.reward import AccuracyConfig, FormatConfig, OwnTermConfig, ProcessConfig, RewardConfig
from pathvlm_r1.config.rules import ConfigError
from pathvlm_r1.config.run import (
    JUDGES_BY_DATASET,
    EvalConfig,
    LocalLoggerConfig,
    LoggerConfig,
    PredictConfig,
    ReadinessConfig,
    TrainConfig,
    WandbLoggerConfig,
    require_judge_of_terms,
    trainer_keys,
    unable_judges,
)
from pathvlm_r1.config.samples import RescoreConfig
from pathvlm_r1.config.splits import SEALED, Policy, Split, refuse_sealed_sweep
from pathvlm_r1.config.stage import ArchitectureConfig, GRPOConfig, PretrainConfig, SFTConfig, StageConfig
from pathvlm_r1.config.targets import found_target
from pathvlm_r1.config.term import TermConfig
from pathvlm_r1.config.typed import has_key, unknown_key
from pathvlm_r1.config.unread import UNREAD_BY_STAGE, recorded, refuse_unread

__all__ = [
    "CAPABILITIES",
    "EMBEDDED",
    "GREEDY_ANSWERS",
    "JUDGED_EVENTS",
    "JUDGES_BY_DATASET",
    "JUDGE_LIMITS",
    "RANDOM_6M",
    "SEALED",
    "UNREAD_BY_STAGE",
    "AccuracyConfig",
    "AdapterConfig",
    "ArchitectureConfig",
    "AuditConfig",
    "BCCDConfig",
    "Capability",
    "ChoicesConfig",
    "CompareConfig",
    "ConfigError",
    "DataConfig",
    "DatasetConfig",
    "ErrorRatesConfig",
    "EvalConfig",
    "EvaluationConfig",
    "ExplainConfig",
    "ExportConfig",
    "FetchConfig",
    "FieldsConfig",
    "FilesConfig",
    "ForcedChoiceConfig",
    "FormatConfig",
    "FullConfig",
    "GRPOConfig",
    "HubConfig",
    "HubTablesConfig",
    "JudgeAuditConfig",
    "JudgeConfig",
    "JudgeQualityConfig",
    "LoRAConfig",
    "LocalJudgeConfig",
    "LocalLoggerConfig",
    "LocalRolloutConfig",
    "LoggerConfig",
    "MeasureConfig",
    "MemberConfig",
    "MixtureConfig",
    "ModelConfig",
    "NoisyJudgeConfig",
    "ObjectiveConfig",
    "OmniMedVQAConfig",
    "OmniMedVQAHardConfig",
    "OpenAIJudgeConfig",
    "OracleJudgeConfig",
    "OveroptimisationConfig",
    "OwnTermConfig",
    "PanelJudgeConfig",
    "PathMMUConfig",
    "PhantomConfig",
    "Policy",
    "PredictConfig",
    "PretrainConfig",
    "PriceConfig",
    "ProcessConfig",
    "PublishedConfig",
    "PushConfig",
    "ReadinessConfig",
    "ReportConfig",
    "RescoreConfig",
    "RewardConfig",
    "RolloutConfig",
    "RulesJudgeConfig",
    "SFTConfig",
    "SlakeConfig",
    "SourceConfig",
    "Split",
    "SplitConfig",
    "StageConfig",
    "TermConfig",
    "TrainConfig",
    "VLLMRolloutConfig",
    "VerifyConfig",
    "WandbLoggerConfig",
    "changed_within",
    "composed_within",
    "decisive",
    "found_target",
    "has_key",
    "judges_within",
    "language_models",
    "paid_judges",
    "recorded",
    "refuse_sealed_sweep",
    "refuse_unread",
    "require_judge_of_terms",
    "trainer_keys",
    "unable_judges",
    "unknown_key",
]
