# Everything that a user types. `make` alone lists it; the first use of a target makes the environment that it needs.
PYTHON3 ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
# Files of tests in turn on two processes of one thread each, which is faster than one process of two threads.
PYTEST := OMP_NUM_THREADS=1 $(PYTHON) -m pytest --numprocesses 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-slow lint benchmark study

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: $(INSTALLED)  ## .venv with the versions of requirements.lock and this package

$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON3) > /dev/null || { echo "error: $(PYTHON3) is not there. Python 3.11 or newer is needed: make setup PYTHON3=<path>"; exit 1; }
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON3) is $$($(PYTHON3) -V 2>&1), and Python 3.11 or newer is needed: make setup PYTHON3=<path>"; exit 1; }
	@$(PYTHON3) -c 'import ensurepip, venv' || \
		{ echo "error: $(PYTHON3) cannot make environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install "$$(grep '^torch==' requirements.lock)"
	$(PYTHON) -m pip install -r requirements.lock
	$(PYTHON) -m pip install --no-deps -e .
	touch $@

demo: setup  ## base -> SFT -> GRPO(dual) -> evaluation -> report on the embedded model, 12 minutes on 2 cores
	$(PYTHON) src/train.py experiment=demo
	$(PYTHON) src/eval.py runs=outputs/demo
	$(PYTHON) src/report.py runs=outputs/demo

test: setup  ## all quick tests, under 10 minutes
	$(PYTEST) -m "not slow and not gpu"

test-fast: setup  ## the tests of a coffee's length, under 90 seconds
	$(PYTEST) -m "not slow and not medium and not gpu"

test-slow: setup  ## the long ones: coverage simulations, kills
	$(PYTHON) -m pytest -m slow

lint: setup  ## format, lint and types, as pre-commit has them
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

benchmark: setup  ## steps against TRL, log-probs and scaling, 65 minutes on 2 cores; results in benchmarks/results
	$(PYTHON) benchmarks/grpo_step.py
	$(PYTHON) benchmarks/step_picture.py
	$(PYTHON) benchmarks/logprobs.py
	$(PYTHON) benchmarks/scaling.py
	$(PYTHON) benchmarks/judge_overlap.py

study:  ## print the commands of the recorded studies
	@echo "# experiments/demo: three seeds, the fair baseline, the negative control"
	@echo "$(PYTHON) src/train.py -m experiment=demo seed=0,1,2"
	@echo "$(PYTHON) src/train.py -m experiment=sft_continued seed=0,1,2  # and stage.max_steps: as long as GRPO took"
	@echo "$(PYTHON) src/train.py experiment=shuffled_rewards"
	@echo "$(PYTHON) src/eval.py runs=outputs/demo"
	@echo "$(PYTHON) src/eval.py runs=outputs/demo evaluation=sampled 'dataset.out_of_domain=[]'"
	@echo "$(PYTHON) src/eval.py runs=outputs/demo blank_images=true 'dataset.out_of_domain=[]'  # grey pictures"
	@echo "$(PYTHON) src/eval.py runs=outputs/demo shuffled_images=true 'dataset.out_of_domain=[]'  # another question's"
	@echo "$(PYTHON) src/report.py runs=outputs/demo out=experiments/demo"
	@echo "mv experiments/demo/summary.json experiments/demo/results.json"
	@echo "# experiments/more_questions: the same on 3,000 other phantoms"
	@echo "$(PYTHON) src/train.py -m experiment=demo seed=0,1,2 output=outputs/more"
	@echo "$(PYTHON) src/eval.py runs=outputs/more dataset.seed=8 dataset.splits.test=3000 'dataset.out_of_domain=[]'"
	@echo "$(PYTHON) src/report.py runs=outputs/more out=experiments/more_questions"
	@echo "mv experiments/more_questions/summary.json experiments/more_questions/results.json"
	@echo "# experiments/contracts: other prompts and parsers, and forced choice"
	@echo "$(PYTHON) src/train.py -m experiment=demo seed=0,1,2 output=outputs/contracts"
	@echo "$(PYTHON) src/eval.py runs=outputs/contracts 'dataset.out_of_domain=[]' contracts=[think_answer_v1,paper_think_answer_v2,pathmmu_official_v1,pathmmu_official_v1_with_miscounts]"
	@echo "$(PYTHON) src/eval.py runs=outputs/contracts 'dataset.out_of_domain=[]' evaluation=forced_choice 'evaluation.prefix=\"<think></think><answer>\"'"
	@echo "$(PYTHON) src/report.py runs=outputs/contracts out=experiments/contracts"
	@echo "mv experiments/contracts/summary.json experiments/contracts/results.json"
	@echo "# experiments/bccd: photographs of blood smears; dataset.root is your clone of BCCD"
	@echo "$(PYTHON) src/train.py -m experiment=bccd dataset.root=<clone> seed=0,1,2"
	@echo "$(PYTHON) src/eval.py runs=outputs/bccd dataset=bccd dataset.root=<clone>"
	@echo "$(PYTHON) src/report.py runs=outputs/bccd out=experiments/bccd"
	@echo "mv experiments/bccd/summary.json experiments/bccd/results.json"
	@echo "# experiments/judge_noise: GRPO paid by judges that err, on phantoms whose truth is known"
	@echo "$(PYTHON) src/train.py -m experiment=judge_noise judge=oracle,noisy_10,noisy_40,noisy_lenient_40,rules seed=0,1,2"
	@echo "$(PYTHON) src/eval.py runs=outputs/judge_noise 'dataset.out_of_domain=[]'"
	@echo "$(PYTHON) src/eval.py task=overoptimisation runs=outputs/judge_noise out=experiments/judge_noise"
