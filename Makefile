# Two commands set up a fresh machine with Python 3.11: `make quickstart` runs the main job, `make test` the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEVICE ?= cpu

.PHONY: install quickstart test lint docs train-tiny clean

# A stamp is newer than pyproject.toml when the environment is up to date: to run scenarios, and to work on ntnsim.
$(VENV)/.runs: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $(VENV)/.runs $@

install: $(VENV)/.installed

quickstart: $(VENV)/.runs
	$(BIN)/ntnsim run scenarios/quickstart.yaml --out results/quickstart --force
	$(BIN)/ntnsim plot results/quickstart

# Files in their own order: else a long file of one test comes last.
test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Guides, API pages and two executed notebooks; every warning is an error.
docs: install
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs]"
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build

train-tiny: install
	$(BIN)/python -m training.all --device $(DEVICE)  # photographs: NTNSIM_DATA

clean:
	rm -rf $(VENV)  # results stay: there may be notes among them
