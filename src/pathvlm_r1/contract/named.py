"""Every contract by its name."""

from __future__ import annotations

from pathvlm_r1.contract.asking import EvaluationContract
from pathvlm_r1.contract.lmms_eval import LmmsEvalSlakeContract
from pathvlm_r1.contract.medevalkit import MedEvalKitContract
from pathvlm_r1.contract.omnimedvqa import OmniMedVQAContract
from pathvlm_r1.contract.paper import PaperContract
from pathvlm_r1.contract.pathmmu import PathMMUContract
from pathvlm_r1.contract.patho_r1 import PathoR1Contract
from pathvlm_r1.contract.think_answer import Contract
from pathvlm_r1.contract.vlmevalkit import VLMEvalKitContract

_ALL: tuple[EvaluationContract, ...] = (
    Contract(), PaperContract(),
    PathMMUContract(), PathMMUContract(with_miscounts=True),
    OmniMedVQAContract(), OmniMedVQAContract(with_miscounts=True),
    VLMEvalKitContract(), VLMEvalKitContract(with_miscounts=True),
    LmmsEvalSlakeContract(),
    MedEvalKitContract(), MedEvalKitContract(with_miscounts=True),
    PathoR1Contract(),
)  # fmt: skip
CONTRACTS = {contract.name: contract for contract in _ALL}
THINK_ANSWER = Contract().name  # what training, rewards and the main tables stand on
