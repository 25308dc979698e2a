# How ezlogs is set up, run, tested and checked. `make` alone says what there is.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3.10 python3; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && \
	echo $$python && break; done)
# Frameworks of that time know nothing newer.
OLDER_PYTHON = $(shell for python in python3.11 python3.10 python3.12 python3; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && \
	echo $$python && break; done)
# What they deprecate, and what has been deprecated in Python since, is none of our affairs.
OLDER := -W ignore::DeprecationWarning -W ignore::ImportWarning
# What takes long, and is of databases and not of neighbours or versions, is run once.
ONCE := -k 'not property and not many_rows and not databases and not faults'
# What none of the other distributions' instrumentors is of.
ALONE := $(foreach folder,apscheduler arq dramatiq huey mails rq sqlalchemy,--ignore=tests/instrumentors/$(folder))
# Tests wait for other processes half of the time.
PROCESSES ?= $(shell $(PYTHON) -c 'import os; number = os.cpu_count() or 1; print(number + number // 2)')
# They wait for real servers and processes on machines that others use: what failed is tried once more, alone.
AGAIN := echo 'What failed, once more and alone:'
FAILED := --last-failed --last-failed-no-failures=none
PY := .venv/bin/python
PIP_INSTALL := -m pip --quiet --disable-pip-version-check install
COMPILE := uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	--custom-compile-command 'make constraints' $(ARGS) pyproject.toml

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
COLLECTOR := .collector/otelcol-ezlogs
.PHONY: help venv demo test soak coverage collector lint format bench leaks contrib older older-python constraints \
	page-vendor clean

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

venv: .venv/.installed  ## Make .venv with the exact packages of constraints/dev.txt

demo: .venv/.installed  ## Run the demo shop (ARGS=--json for its result as JSON)
	@$(PY) -m examples.shop.demo $(ARGS)

test: .venv/.installed .venv-neighbours/.installed  ## Run all tests (ARGS='-k story')
ifdef ARGS
	@$(PY) -m pytest --numprocesses=$(PROCESSES) --dist=loadfile $(ARGS)
else
	@$(PY) -m pytest --numprocesses=$(PROCESSES) --dist=loadfile || { $(AGAIN) && $(PY) -m pytest $(FAILED); }
	@echo 'And the instrumentors once more, beside those of other distributions:'
	@.venv-neighbours/bin/python -m pytest tests/instrumentors --numprocesses=$(PROCESSES) --dist=loadfile --quiet $(ONCE) $(ALONE) || \
		{ $(AGAIN) && .venv-neighbours/bin/python -m pytest tests/instrumentors $(FAILED) $(ONCE) $(ALONE); }
endif

soak: .venv/.installed  ## Tell thousands of stories while processes are killed, which takes long (ARGS=5000)
	@EZLOGS_SOAK=$(or $(ARGS),3000) $(PY) -m pytest tests/integration/soak --capture=no

coverage: .venv/.installed  ## Run the tests with coverage, which takes half as long again (ARGS='tests/unit')
	@$(PY) -m pytest --cov --numprocesses=$(PROCESSES) --dist=loadfile $(ARGS)

collector: $(COLLECTOR)  ## Build the OpenTelemetry Collector that some acceptance tests send through; needs Go

lint: .venv/.installed  ## Check style, format and types
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy

format: .venv/.installed  ## Mend what ruff can mend
	@$(PY) -m ruff check --fix
	@$(PY) -m ruff format

bench: .venv/.installed .venv-neighbours/.installed .venv-peers/.installed  ## Measure against the peers (ARGS=--help)
	@$(PY) -m benchmarks $(ARGS)

leaks: .venv-peers/.installed  ## Count what gets through ezlogs and through the scrubbers of its peers (ARGS=--help)
	@.venv-peers/bin/python -m benchmarks.leaks $(ARGS)

contrib: .venv-contrib/.installed  ## Run the test suites of OpenTelemetry's instrumentors with ezlogs active (ARGS=--help)
	@.venv-contrib/bin/python -m benchmarks.contrib $(ARGS)

older: .venv-older/.installed  ## Run the instrumentors' tests with the oldest versions that they support (ARGS='-k click')
	@.venv-older/bin/python -m pytest tests/instrumentors --numprocesses=$(PROCESSES) --dist=loadfile --quiet $(OLDER) $(or $(ARGS),$(ONCE))

older-python:
	@echo $(OLDER_PYTHON)

constraints:  ## Renew constraints/*.txt; needs uv (ARGS=--upgrade for the newest of everything)
	@command -v uv >/dev/null || { echo 'make constraints needs uv: pip install uv' >&2; exit 1; }
	@$(COMPILE) --extra test --extra lint --output-file constraints/dev.txt >/dev/null
	@$(COMPILE) --extra test constraints/neighbours.in --output-file constraints/neighbours.txt >/dev/null
	@$(COMPILE) constraints/older.in --output-file constraints/older.txt >/dev/null
	@$(COMPILE) constraints/peers.in --output-file constraints/peers.txt >/dev/null
	@sed -n 's/^\(opentelemetry-[^ ]*==[^ ]*\).*/\1/p' constraints/neighbours.txt | \
		$(COMPILE) constraints/contrib.in --constraint /dev/stdin --output-file constraints/contrib.txt >/dev/null

page-vendor:  ## Bundle the libraries of the page of `ezlogs dev` anew; needs Node.js
	@command -v npm >/dev/null || { echo 'make page-vendor needs Node.js and its npm' >&2; exit 1; }
	@cd tools/page && npm ci --ignore-scripts --no-audit --no-fund && npm run vendor

clean:  ## Remove everything that the other targets made
	@rm -rf .venv .venv-neighbours .venv-peers .venv-contrib .venv-older .contrib .collector .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist .screenshots tools/page/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Setting up speaks on stderr only, so that the output of `make demo ARGS=--json` is JSON and nothing else.
.venv/.locked: constraints/dev.txt
.venv-neighbours/.locked: constraints/neighbours.txt
.venv-peers/.locked: constraints/peers.txt
.venv-contrib/.locked: constraints/contrib.txt
.venv-older/.locked: constraints/older.txt
.venv-older/.locked: PYTHON = $(OLDER_PYTHON)
.venv/.locked .venv-neighbours/.locked .venv-peers/.locked .venv-contrib/.locked .venv-older/.locked:
	@test -n '$(PYTHON)' || { echo '$(@D) needs Python 3.10 or newer, and .venv-older none after 3.12, with its venv module, and found none.' \
		'On Debian or Ubuntu: apt-get install python3-venv. Or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3' >&2; exit 1; }
	@echo 'Setting up $(@D) with $(PYTHON); this is done once and takes a minute or two.' >&2
	@$(PYTHON) -m venv --clear $(@D) >&2
	@$(@D)/bin/python $(PIP_INSTALL) --no-deps --require-hashes --requirement $< >&2
	@touch $@

%/.installed: %/.locked pyproject.toml src/ezlogs/version.py
	@$(@D)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable . >&2
	@touch $@

# What the network or Go itself lacks shows while packages are listed; what fails after that is a fault of ours.
GO_FLAGS := -mod=readonly
$(COLLECTOR): $(wildcard deploy/collector/*.go) deploy/collector/go.mod deploy/collector/go.sum
	@command -v go >/dev/null || { echo 'Not built: the collector needs Go, and there is none on the PATH.' >&2; exit 1; }
	@echo 'Building $@; the first time this takes a few minutes.' >&2
	@cd deploy/collector && go list $(GO_FLAGS) -deps . >/dev/null || { echo 'Not built: the collector needs Go of the' \
		'version in deploy/collector/go.mod, and the Go module proxy.' >&2; exit 1; }
	@mkdir -p $(@D)
	@cd deploy/collector && CGO_ENABLED=0 go build $(GO_FLAGS) -p 2 -trimpath -buildvcs=false -ldflags='-s -w' \
		-o ../../$@.new .
	@mv $@.new $@
