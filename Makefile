# `make run` and `make test` are all that is needed; both set up what they use.

# The first Python that will do. Another one: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
FAST := -m "not slow"
SAMPLE := 100

.PHONY: help run test check lint format bench mutants wheel clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(VENV)/.runtime ## Start a server, run an example over HTTP and show it; keeps serving on a terminal
	@$(BIN)/python scripts/demo.py

test: $(VENV)/.development ## Run every test
	$(BIN)/python -m pytest

check: lint ## Run all that must hold before a commit: format, lint, types, layers, fast tests
	$(BIN)/python -W error -m pytest $(FAST)

lint: $(VENV)/.development ## Check format, style, types, layers and file sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_house.py -k too_long

format: $(VENV)/.development ## Format the code, and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.development ## Measure; prints a table, writes build/benchmarks.json
	@$(BIN)/python scripts/bench.py

mutants: $(VENV)/.development ## Change the code a little, 100 times, and report which changes no test notices
	@$(BIN)/python -m scripts.mutants --sample $(SAMPLE) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

wheel: $(VENV)/.development ## Build the wheel into dist/
	$(PIP) wheel --no-deps --wheel-dir dist .

clean: ## Remove what the other commands made; not the data in .jikko
	rm -rf $(VENV) .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# A virtual environment whose Python is gone is made anew.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Jikko needs Python 3.11, 3.12 or 3.13; none was found." >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) scripts/make_venv.py $(VENV)

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	@echo "Installing what Jikko needs …"
	@$(PIP) install --editable '.[documents]'
	@touch $@

$(VENV)/.development: pyproject.toml | $(BIN)/python
	@echo "Installing what Jikko and its tests need …"
	@$(PIP) install --editable '.[documents,dev]'
	@touch $@ $(VENV)/.runtime
