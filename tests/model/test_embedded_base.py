"""The base checkpoint inside the package: small, above chance in every modality by what it sees, and without tags."""

import runpy
from collections import Counter
from pathlib import Path

import pytest
from running import composed
from scipy import stats

from pathvlm_r1.assembly.datasets import load_samples, named_dataset
from pathvlm_r1.assembly.evaluating import answerer
from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER, load_policy
from pathvlm_r1.config import EvalConfig, FullConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomSource
from pathvlm_r1.evaluation import blank_images, shuffled_images, wilson
from pathvlm_r1.model import SampleEncoder

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "base_skills.py"))
IN_DOMAIN = "phantom"
OUT_OF_DOMAIN = ("phantom_ct", "phantom_dermoscopy", "phantom_fundus", "phantom_oct")
QUESTIONS = 100  # of each modality
CONTROLLED = 100  # questions asked with other pictures
PICTURES = 150  # of each modality, whose findings are to be named
CHANCE = 0.25  # four options
NOT_READ = {("ct", "margin"), ("fundus", "vessels")}  # a finding that the tower does not see; GRPO cannot hope for it

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def config():
    return EvalConfig.checked(composed("eval"))


@pytest.fixture(scope="module")
def base(config):
    adapter = FullConfig(name="full", train_vision=False)
    return load_policy(config.model, adapter, precision="32-true", temperature=1.0, is_dropout_on=False)


@pytest.fixture(scope="module")
def ask(config, base):
    """Greedy answers under the contract, as an evaluation asks for them."""

    def predictions(samples):
        encoder = SampleEncoder(base.encoder, Contract())  # remembers a question's prompt, and so its picture
        answer = answerer(encoder, config.model, config.rollout, config.evaluation, terms=[])
        return [prediction for (prediction,) in answer(base.policy, samples, seed=0)]

    return predictions


@pytest.fixture(scope="module")
def answers(ask):
    return {name: ask(asked(name, QUESTIONS)) for name in (IN_DOMAIN, *OUT_OF_DOMAIN)}


def asked(name, count):
    return load_samples(named_dataset(name), "test")[:count]


def least_accuracy(predictions):
    return wilson(sum(p.is_correct for p in predictions), len(predictions)).low


def test_it_has_at_most_2_million_parameters_and_8_megabytes(base):
    assert sum(parameter.numel() for parameter in base.policy.parameters()) <= 2_000_000
    assert sum(file.stat().st_size for file in EMBEDDED_FOLDER.iterdir()) <= 8_000_000


def test_its_accuracy_is_above_chance_in_and_out_of_domain_and_in_every_modality(answers):
    assert all(len(of_one) == QUESTIONS for of_one in answers.values())
    lows = {name: least_accuracy(of_one) for name, of_one in answers.items()}
    lows["out of domain"] = least_accuracy([p for name in OUT_OF_DOMAIN for p in answers[name]])
    assert {name: low for name, low in lows.items() if low <= CHANCE} == {}


def test_it_answers_in_plain_letters_and_has_never_seen_a_tag(answers):
    everything = [p for of_one in answers.values() for p in of_one]
    assert [p.completion for p in everything if "<think>" in p.completion or "<answer>" in p.completion] == []
    assert not any(p.is_formatted for p in everything)
    assert all(p.answer is not None for p in everything)


@pytest.mark.parametrize("other", [blank_images, shuffled_images])
def test_without_the_questions_own_picture_it_is_at_chance(ask, other):
    right = sum(p.is_correct for p in ask(other(asked(IN_DOMAIN, CONTROLLED))))
    low, high = stats.binom.interval(0.95, CONTROLLED, CHANCE)
    assert low <= right <= high


@pytest.mark.parametrize("modality", ONTOLOGIES)
def test_it_names_what_it_sees_more_often_right_than_any_one_answer_would_be(base, modality):
    named = BENCHMARK["findings_named"](base.policy, base.encoder, modality, PICTURES)
    source = PhantomSource("benchmark", modality, BENCHMARK["SEED"], BENCHMARK["IMAGE_SIZE"], {"terse": 1.0})
    shown = Counter(phrase for sample in source.samples("benchmark", PICTURES) for phrase in sample.findings.shown)
    for finding, phrases in ONTOLOGIES[modality].findings.items():
        most_frequent = max(shown[phrase] for phrase in phrases) / PICTURES
        if (modality, finding) not in NOT_READ:
            assert wilson(round(named[finding] * PICTURES), PICTURES).low > most_frequent, finding
