# `make demo` and `make test` set up all they need: .venv/ here, and ngspice if the
# machine has none. The second time they start at once.
#   DATA_DIR=...  folder that holds mnist/ and rram/ (else $RRAM_JAX_DATA)
#   ARGS=...      further arguments for the demo or for pytest
#   PYTHON=...    interpreter of the environment, 3.11 or newer

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-oldest lint ngspice constraints bench-peers

ifdef DATA_DIR
export RRAM_JAX_DATA := $(DATA_DIR)
endif

help:
	@echo "make demo         train, evaluate and verify a small network"
	@echo "make test         lint, types, tests"
	@echo "make lint         lint and types alone"
	@echo "make ngspice      install ngspice alone, if there is none"
	@echo "make test-slow    the tests that take minutes"
	@echo "make test-oldest  the tests on the oldest versions that pyproject.toml allows"
	@echo "make constraints  resolve constraints.txt anew"
	@echo "make bench-peers  other crossbar solvers, for experiments/benchmarks"

demo: .venv/.ready ngspice
	.venv/bin/rram-jax demo $(ARGS)

# Two to four processes, each with whole files: their fixtures are made once.
test: lint ngspice
	RRAM_JAX_REQUIRE_NGSPICE=1 .venv/bin/python -m pytest \
	  -n auto --maxprocesses 4 --dist loadfile $(ARGS)

test-slow: .venv/.ready ngspice
	RRAM_JAX_REQUIRE_NGSPICE=1 .venv/bin/python -m pytest -m slow --timeout=3600 $(ARGS)

test-oldest: .venv-oldest/.ready
	.venv-oldest/bin/python -m pytest $(ARGS)

lint: .venv/.ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python -m pyright

ngspice: .venv/.ready
	@PYTHON="$(CURDIR)/.venv/bin/python" tools/install_ngspice.sh

.venv/.ready: pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh .venv -c constraints.txt
	@touch $@

.venv-oldest/.ready: pyproject.toml tools/setup.sh
	@tools/setup.sh .venv-oldest --resolution lowest-direct
	@touch $@

constraints: .venv/.ready
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras \
	  --no-annotate --no-header --upgrade pyproject.toml -o constraints.txt

# Not into the environment: the package needs none of it. No dependencies: badcrossbar
# asks for pycairo (a C library) for its drawings alone.
bench-peers: .venv/.ready
	.venv/bin/uv pip install --quiet --target build/peers --no-deps \
	  badcrossbar==1.1.0 pathvalidate==3.3.1
