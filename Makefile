# Every job has one command here; CI (.ci/run) calls the same targets. Needs Python 3.11, pip and make; the rest is
# installed into .venv from the hash-pinned lock, once, and again only where lock or pyproject change.
#   make demo                        real demand to published releases, in STRATA_HOME (default ./data)
#   make test | soak | lint          the tests | the long ones | style, types, layers, SQL, generated docs
#   make dev                         Dagster's UI on loopback
#   make bench [BENCH=--quick]       benchmarks, each a ratio against a baseline
#   make docs                        write the generated pages of docs/
#   make lock                        compile requirements.lock again from pyproject.toml

PYTHON ?= python3
STRATA_HOME ?= data
export STRATA_HOME

# Pinned here because it reads the lock, so it cannot come from it.
UV := uv==0.13.9
BIN := .venv/bin
READY := .venv/.ready
CODE := strata assets orchestration expectations

.PHONY: help setup manifest demo test soak lint dev bench docs lock

help:
	@grep '^#   ' Makefile | cut -c 5-

setup: $(READY)

# The one stamp: pip takes a minute for what uv does in seconds, so pip installs uv only. Bytecode is compiled here
# because an environment that forbids writing it would compile every import of every process again.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Strata needs Python 3.11 to 3.13, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(UV)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q $(CODE)
	touch $@

manifest: setup
	$(BIN)/python -m orchestration.dbt

demo: setup
	$(BIN)/strata demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

soak: setup
	$(BIN)/python -m pytest -m soak -n 2 --dist loadgroup

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd dbt_project && ../$(BIN)/sqlfluff lint --disable-progress-bar .
	$(BIN)/python docs/generate.py --check

dev: setup
	$(BIN)/strata dev

bench: setup
	set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file $(BENCH); done

docs: setup
	$(BIN)/python docs/generate.py

# Names and hashes only: no index host and no path of the machine that compiled it.
lock:
	$(BIN)/uv pip compile pyproject.toml --extra demo --extra dev --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock
