# Everything a person or a machine does with this checkout. `make` alone lists it.

GATES ?= 1
ROOMS ?= 1
HISTORIES ?= 1
REPEATS ?= 3
AT_ONCE ?= 2
MINUTES ?= 10
SEED ?= $(shell date +%s)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := $(VENV)/.bench
RELIABILITY := tests/reliability
ON_BED := bed=$$($(BIN)/python -m infra.testbed) && GATEHOUSE_TEST_BED=$$bed
SIZES := --gates $(GATES) --rooms $(ROOMS) --histories $(HISTORIES)

.DEFAULT_GOAL := help
.PHONY: help venv run up down test chaos chaos-bugs soak bench bench-quick bench-report check fmt generate lock images

help: ## List the targets.
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "A Docker engine that test or images had to start keeps running: $(BIN)/python -m infra.engine stop"

venv: $(STAMP) ## Set up .venv with everything pinned in requirements/dev.txt.

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { apt-get update && apt-get install -y --no-install-recommends python3-venv; } < /dev/null
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --quiet --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --quiet --no-deps --no-build-isolation -e .
	@touch $@

run: venv ## Run everything in the foreground; Ctrl-C stops it. GATES=, ROOMS=, HISTORIES= say how many.
	@exec $(BIN)/python -m infra.local run $(SIZES)

up: venv ## The same in the background; called again it starts what is missing. Addresses: .run/endpoints.env
	@$(BIN)/python -m infra.local up $(SIZES)

down: venv ## Stop what `make up` started. Data and logs stay in .run/
	@$(BIN)/python -m infra.local down

test: venv ## The whole suite, on containers where a Docker engine can be had, else on local processes. TESTS= a part, AT_ONCE= how many files at a time.
	@$(ON_BED) $(BIN)/pytest -n $(AT_ONCE) --dist loadfile --no-loadscope-reorder $(TESTS)

chaos: venv ## Break everything for MINUTES= from SEED= (or FAULTS= alone), check every promise, report; kept in .run/reports
	@$(ON_BED) GATEHOUSE_CHAOS_SEED=$(SEED) GATEHOUSE_CHAOS_MINUTES=$(MINUTES) GATEHOUSE_CHAOS_FAULTS='$(FAULTS)' GATEHOUSE_REPORTS=.run/reports \
		$(BIN)/pytest -q $(RELIABILITY)/test_chaos.py

chaos-bugs: venv ## Plant bugs into the workers, one after another, and see that the checks find each.
	@$(ON_BED) GATEHOUSE_SCALE=full GATEHOUSE_REPORTS=.run/reports $(BIN)/pytest -q $(RELIABILITY)/test_planted_bugs.py

soak: venv ## 2,000 connections and 100 messages a second for ten minutes while everything breaks.
	@$(ON_BED) GATEHOUSE_SCALE=full GATEHOUSE_REPORTS=.run/reports $(BIN)/pytest -q $(RELIABILITY)/test_soak.py

$(BENCH): $(STAMP) requirements/bench.txt
	$(BIN)/pip install --quiet --quiet --no-deps --require-hashes -r requirements/bench.txt
	@touch $@

bench: $(BENCH) ## Measure everything into benchmarks/RESULTS.md, REPEATS= times each.
	@$(BIN)/python -m benchmarks --repeats $(REPEATS)

bench-quick: $(BENCH) ## See that all benchmarks run; their figures go to .run/ and mean little.
	@$(BIN)/python -m benchmarks --quick --repeats 1

bench-report: $(BENCH) ## Write benchmarks/RESULTS.md from the samples that are kept.
	@$(BIN)/python -m benchmarks report

bench-%: $(BENCH) ## Measure one scenario anew, such as bench-fanout, and keep the others.
	@$(BIN)/python -m benchmarks $* --repeats $(REPEATS)

check: venv ## Format, lint, types, import rules, generated documents, secrets, advisories. Never writes.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m infra.generate --check
	$(BIN)/python -m infra.secret_scan
	$(BIN)/python -m infra.advisories

fmt: venv ## Fix format and lint where they can be fixed.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: venv ## Write the documents that follow from schemas/.
	$(BIN)/python -m infra.generate

images: venv ## Make the container images of the tests and of infra/compose.yaml.
	$(BIN)/python -m infra.engine ensure
	$(BIN)/python -m infra.images ensure

COMPILE := .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade

# The widest first, the others bound by it: a version is the same everywhere.
lock: ## Resolve pyproject.toml anew into requirements/*.txt.
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/pip install --quiet --quiet 'uv>=0.13,<0.14'
	$(COMPILE) --extra local --extra dev -o requirements/dev.txt pyproject.toml
	$(COMPILE) --extra local --extra bench -c requirements/dev.txt -o requirements/bench.txt pyproject.toml requirements/build.in
	$(COMPILE) --extra local -c requirements/dev.txt -o requirements/local.txt pyproject.toml requirements/build.in
	$(COMPILE) -c requirements/dev.txt -o requirements/run.txt pyproject.toml
	$(COMPILE) -c requirements/dev.txt -o requirements/store.txt requirements/store.in
