# SPDX-License-Identifier: Apache-2.0
#
#   make run     qualify the upstream releases with the simulator; the last line is the path of the report
#   make check   every gate in turn, stopping at the first that fails: lint, format, types, layers, test
#   make test    the tests alone          make test PYTEST_ARGS="tests/wire -k fdt"
#   make bench   the benchmarks
#   make clean   remove the virtual environment and what builds leave behind; reports stay
#
# Another interpreter: make run PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
RUN_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed

# By environment and not by -c, so that build requirements are pinned too (newer pip takes those from the second).
# Relative, because pip splits these at blanks and a clone may lie in a folder that has one.
export PIP_CONSTRAINT = constraints.txt
export PIP_BUILD_CONSTRAINT = constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

MAKEFLAGS += --no-print-directory

.PHONY: run check lint format types layers test bench venv clean

run: $(CORE)
	@$(BIN)/qualify run upstream --db sqlite:///reports/qualify.sqlite --report reports/upstream.html $(RUN_ARGS)

# One after the other, also under -j: a later gate says little once an earlier one has failed.
check: $(DEV)
	@$(MAKE) lint && $(MAKE) format && $(MAKE) types && $(MAKE) layers && $(MAKE) test

# $(call gate,NAME,COMMAND)
gate = @echo "gate $(1): $(2)"; $(2) || { status=$$?; echo "gate $(1) failed" >&2; exit $$status; }

lint: $(DEV)
	$(call gate,lint,$(BIN)/ruff check .)

format: $(DEV)
	$(call gate,format,$(BIN)/ruff format --check .)

types: $(DEV)
	$(call gate,types,$(BIN)/mypy --strict)

layers: $(DEV)
	$(call gate,layers,$(BIN)/lint-imports)

test: $(DEV)
	$(call gate,test,$(BIN)/pytest -n auto -rs $(PYTEST_ARGS))

bench: $(DEV)
	@$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

venv: $(DEV)

# `make run` needs the core alone; everything else adds the development tools to the same environment.
$(CORE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "qualify needs Python 3.11 or newer, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)." \
	       "Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --editable .
	@touch $@

$(DEV): $(CORE)
	@$(BIN)/python -m pip install -qq --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
