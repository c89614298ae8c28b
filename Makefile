# `make run` and `make test` are all that is needed; both set up what they use.

# The newest Python that Jikko is tested with (the classifiers of pyproject.toml), or else any from 3.11 on. Another one:
# make test PYTHON=python3.12 VENV=.venv-3.12
TESTED := $(shell sed -n 's/^ *"Programming Language :: Python :: \(3\.[0-9]*\)".*/\1/p' pyproject.toml | sort -rV)
PYTHONS := $(foreach version,$(TESTED),python$(version) /usr/bin/python$(version))
PYTHON ?= $(shell for python in $(PYTHONS) python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
VERSION := import sys; print("%d.%d" % sys.version_info[:2])
FAST := not slow and not services
SAMPLE := 100
# Files with tests that run by themselves: to collect all others again takes longer than these.
SERIAL = $(shell grep --recursive --files-with-matches --include='test_*.py' 'mark\.serial' tests)
# What is tested with the second Python, too: what rests on the interpreter (its parser, processes, threads, event loop,
# sockets, certificates, archives, SQLite, regular expressions, numbers and dates as text, depth of recursion, imports of
# a start), and a server as a whole (docs/decisions/0341). Tests of other things in these files are marked `once`.
INTERPRETED := $(addprefix tests/,concurrency documents lang locks outbound sandbox server \
	acceptance/test_crash.py acceptance/test_http_runs.py cli/test_lazy_commands.py dsl/test_json_schema.py \
	dsl/test_json_text.py dsl/test_load_text.py dsl/test_yaml_text.py http/test_depth.py plugins/test_allowed.py \
	plugins/test_bytecode.py plugins/test_install.py plugins/test_lock.py plugins/test_package.py plugins/test_process.py \
	plugins/test_sockets.py ports/test_connections.py runs/test_depth.py store/test_checkpoints.py store/test_database.py \
	store/test_large_values.py store/test_upgrades.py store/test_write_lock.py store/test_writer.py)
# Tests start thousands of processes; each would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

# How many at a time, with 0.8 GB of memory each at the end. Tests wait for the processes that they start: four keep two
# processors busy for four fifths of the time, six for nineteen twentieths (docs/decisions/0300).
WORKERS ?= 6
# A file is imported by the process that runs it, so nobody knows beforehand how many tests there are.
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder -p tests.late -o console_output_style=classic

# Runs the tests that a marker expression chooses: several at a time, the longest files first (tests/durations.py), and
# then by themselves those that can have nothing beside them. A second argument says where to look. PARTS chooses one of
# the two: `.ci/run` has several targets side by side, and the latter behind all of them.
PARTS := parallel serial
define pytest
	@code=0; set -x; \
	$(if $(filter parallel,$(PARTS)),$(BIN)/python -W error -m pytest $(PARALLEL) \
		-m "not serial and not long$(if $(1), and $(1))" $(2) || code=1;) \
	$(if $(filter serial,$(PARTS)),$(BIN)/python -W error -m pytest \
		-m "serial$(if $(1), and $(1))" $(SERIAL) || code=1;) \
	exit $$code
endef

.PHONY: help run console console-dev console-if-newer test test-all test-first test-tools test-other other-venv test-brief quick durations check lint lint-types lint-rest format bench house site
.PHONY: files test-newest test-oldest test-fast faults mutants lock sbom wheel clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: $(VENV)/.runtime console-if-newer ## Start a server, run an example over HTTP and show it; keeps serving on a terminal
	@$(BIN)/python scripts/demo.py

console: $(BIN)/python ## Build the page of the console into the package
	@$(BIN)/python -m scripts.build_console

console-dev: console ## Serve the page on port 5173 as it is being written; its API is that of a server on 8000
	@cd console && npm run dev

# The server starts without its page, too: what keeps it from being built is said, and no reason to stop.
console-if-newer: $(BIN)/python
	@$(BIN)/python -m scripts.build_console --if-newer

test: $(VENV)/.development ## Run every test that needs no root, no browser, no server and no package registry
	$(call pytest,not services)

test-all: test-first ## Run every test; then, if there is a second tested Python, what depends on it
	@$(MAKE) --no-print-directory test-other

test-first: $(VENV)/.development test-tools console-if-newer
	$(call pytest,)

test-tools: # Programs of Debian that tests of `test-all` run
	@scripts/install_test_tools.sh

# Makes a target with the newest other Python that is tested and installed; what it is for is said before.
define other
	@here=$$($(BIN)/python -c '$(VERSION)'); \
	for python in $(PYTHONS); do \
		version=$$($$python -c '$(VERSION)' 2>/dev/null) || continue; \
		test $$version = $$here && continue; \
		echo "== $(2), with $$version"; \
		exec $(MAKE) --no-print-directory $(1) PYTHON=$$python VENV=.venv-$$version; \
	done; \
	echo "== There is no second tested Python here: tested with $$here alone"
endef

test-other: $(VENV)/.development
	$(call other,test-brief,Once more what depends on the version of Python)

other-venv: $(VENV)/.development
	$(call other,.venv-$$version/.development,What it needs)

test-brief: export TEST_KILLS ?= 5
test-brief: $(VENV)/.development ## Run the quicker tests of what rests on the interpreter, and a short kill test
	$(call pytest,not services and not once and (not slow or every_python),$(INTERPRETED))

quick: $(VENV)/.development ## Run the fast tests that a change can break, within a minute (SINCE=main: all since then)
	@$(BIN)/python -m scripts.quick $(if $(SINCE),--since $(SINCE))

durations: ## Write what tests took, since `make clean`, into tests/durations.txt
	@$(BIN)/python -m tests.durations

test-newest: RESOLUTION := highest
test-oldest: RESOLUTION := lowest-direct
test-newest: ## Run the fast tests with the newest version of each library, without the lock
test-oldest: ## Run the fast tests with the lower bounds of pyproject.toml
test-newest test-oldest: $(VENV)/.runtime
	$(BIN)/uv venv --quiet --clear --seed --python $(PYTHON) .venv-$(@:test-%=%)
	$(BIN)/uv pip install --quiet --resolution $(RESOLUTION) --python .venv-$(@:test-%=%) --editable '.[documents,dev]'
	@touch .venv-$(@:test-%=%)/.development
	@$(MAKE) --no-print-directory test-fast VENV=.venv-$(@:test-%=%)

test-fast: $(VENV)/.development
	$(call pytest,$(FAST))

check: lint test-fast ## Run all that must hold before a commit: format, lint, types, layers, fast tests

lint: $(VENV)/.development ## Check format, style, types, layers and file sizes
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target lint-types lint-rest

lint-types:
	$(BIN)/python -m mypy

lint-rest:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_house.py -k too_long

format: $(VENV)/.development ## Format the code, and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.development ## Measure; prints a table, writes build/benchmarks.json
	@$(BIN)/python scripts/bench.py

files: $(VENV)/.development ## Try workflow files of FOLDERS="…" (with ARGS=--tools-answer): what check says, how a run ends
	@$(BIN)/python -m scripts.published_files $(FOLDERS) $(ARGS)

site: $(VENV)/.development ## Build the site of the documentation into build/site
	@$(BIN)/python -m scripts.site

house: $(BIN)/python ## Count lines, modules, names that stand for two things, and imports inside functions
	@$(BIN)/python -m scripts.house

faults: $(VENV)/.development test-tools ## Try the faults of several servers, or FAULTS=20, and write what was seen into docs/reliability.md (25 minutes)
	rm -rf build/faults
	@code=0; export TEST_KEEP_FAULTS=1 $(if $(FAULTS),TEST_FAULTS='$(FAULTS)'); \
	$(BIN)/python -W error -m pytest -v tests/faults || code=1; \
	$(BIN)/python -m tests.faults.table || code=1; exit $$code

mutants: $(VENV)/.development ## Change the code a little, 100 times, and report which changes no test notices
	@$(BIN)/python -m scripts.mutants --sample $(SAMPLE) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) $(if $(TESTS),--tests $(TESTS)) $(if $(MINUTES),--minutes $(MINUTES))

lock: $(VENV)/.runtime ## Bring requirements.txt up to date with pyproject.toml; UPGRADE=1 takes the newest of all, UPGRADE=click that of one
	@$(BIN)/python -m scripts.lock $(if $(UPGRADE),$(if $(filter 1,$(UPGRADE)),--upgrade,--upgrade-package $(UPGRADE)))
	@$(MAKE) --no-print-directory sbom

sbom: $(VENV)/.development ## Write the libraries and their licences into sbom.cdx.json
	@$(BIN)/python -m scripts.sbom

wheel: $(VENV)/.runtime ## Build the wheel into dist/
	$(BIN)/uv build --wheel --require-hashes --build-constraints requirements.txt --out-dir dist .

clean: ## Remove what the other commands made; not the data in .jikko
	rm -rf $(VENV) .venv-* build dist console/node_modules src/jikko/http/static .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# A virtual environment whose Python is gone is made anew.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Jikko needs Python 3.11 or later; none was found." >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) …"
	@$(PYTHON) scripts/make_venv.py $(VENV)

$(VENV)/.runtime: pyproject.toml requirements.txt | $(BIN)/python
	@echo "Installing what Jikko needs from PyPI: half a minute the first time …"
	@$(BIN)/python scripts/install.py run --editable .
	@touch $@

$(VENV)/.development: pyproject.toml requirements.txt | $(BIN)/python
	@echo "Installing what Jikko and its tests need from PyPI: a minute the first time …"
	@$(BIN)/python scripts/install.py test --editable .
	@touch $@ $(VENV)/.runtime
