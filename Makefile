# make quickstart   train three networks, print the table
# make test         run the tests
# make test-all     and the slow ones, as every night
# make gpu-test     on a machine with an NVIDIA GPU: the tests that need one, and the speed of its kernels beside
#                   PyTorch's, in $(GPU_BENCH); choose the driver's CUDA with: make CUDA=cuda12 gpu-test
# Both set up what they need, in .venv. Choose another Python with: make PYTHON=python3.12 test

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CUDA ?= cuda13
GPU_BENCH ?= results/bench/gpu.md

.PHONY: quickstart test test-all gpu-test lint format clean

quickstart: $(VENV)/glorot
	$(BIN)/glorot run experiments/quickstart.yaml

test: $(VENV)/test
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m "not slow"

test-all: $(VENV)/test
	$(BIN)/python -m pytest -n auto --maxprocesses 4

gpu-test: $(VENV)/$(CUDA)
	$(BIN)/python -m pytest -m gpu tests
	echo '# `glorot bench --device cuda`' > $(GPU_BENCH)
	for width in 100 1000 2000; do for n in 1 10 128; do \
	    command="glorot bench --device cuda --peer torch --rounds 3 --width $$width --batch-size $$n"; \
	    { printf '\n## `%s`\n\n' "$$command"; $(BIN)/$$command; } >> $(GPU_BENCH) || exit 1; \
	done; done
	cat $(GPU_BENCH)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV)

# Each stamp stands for an installation; it is made again when the dependencies may have changed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "glorot needs Python 3.10 or later; found $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV), an environment of its own"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/glorot: pyproject.toml | $(BIN)/python
	@echo "installing glorot and what it needs into $(VENV): a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test: pyproject.toml | $(BIN)/python
	@echo "installing glorot and what its tests need into $(VENV): a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/glorot

$(VENV)/$(CUDA): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,$(CUDA)]' torch
	@touch $@ $(VENV)/glorot $(VENV)/test

$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/glorot $(VENV)/test
