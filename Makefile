# Two commands: `make run` and `make test`. Each makes its own environment in .venv first.

PYTHON ?= python3.11
VENV := .venv
JOBS ?= 4# files of tests at a time
FAULTS := tests/faults# two of them at a time: they are about what is late
ALONE := tests/browser/test_many.py# it loads the machine by itself
BIN := $(VENV)/bin
CHANGED_BY := setup.cfg pyproject.toml
WEB := $(shell find web -name node_modules -prune -o -type f -print)

.PHONY: run test lint lint-deploy attack audit bench chaos pages screenshots types authorisation clean

run: $(VENV)/ready pages
	@$(BIN)/proctoring-server serve --demo

test: $(VENV)/ready-to-test tests/js/node_modules/ready bench/peers/node/node_modules/ready server/web/ready
	npm --prefix web test --silent
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(if $(ARGS),$(ARGS),$(addprefix --ignore=,$(FAULTS) $(ALONE)))
	$(if $(ARGS),,$(BIN)/pytest -n 2 $(FAULTS))
	$(if $(ARGS),,$(BIN)/pytest $(ALONE))

lint: $(VENV)/ready-to-test web/node_modules/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	npm --prefix web run --silent check

# What is in deploy/, with the linters of its kinds; see deploy/lint.
lint-deploy: $(VENV)/deploy/ready
	deploy/lint "$(CURDIR)/$(VENV)/deploy/bin"

# The pages and the client library, where there is npm to make them; the server runs without them too.
pages:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory server/web/ready; \
	else echo "There is no npm: /console, /exam and /docs are not built."; fi

server/web/ready: web/node_modules/ready $(WEB)
	npm --prefix web run --silent build
	@touch $@

# README.md's pictures, as the tests see the pages.
screenshots: $(VENV)/ready-to-test server/web/ready
	SCREENSHOTS=1 $(BIN)/pytest tests/browser

# Who may what, from the tables that the tests try.
authorisation: $(VENV)/ready-to-test
	$(BIN)/python -m tests.authorisation > $@.new && mv $@.new docs/authorisation.md

# The events' types of the client library, from the server's payload models.
types: $(VENV)/ready web/node_modules/ready
	$(BIN)/proctoring-server asyncapi | node web/types.mjs > $@.new && mv $@.new web/client/protocol.ts

# Every attack at full size, while students take an exam; see docs/attacks.md. `make attack ARGS="slowloris chat"` for some.
attack: $(VENV)/ready-to-test server/web/ready
	$(BIN)/python -m tests.security $(ARGS)

# Bandit, and what is known of what we build on; says so where the network is missing. See tests/security/audit.py.
audit: $(VENV)/ready-to-test
	$(BIN)/python -m tests.security.audit

# See docs/performance.md. `make bench ARGS="heartbeat --rounds 1"` for some, `ARGS=soak`, `ARGS=faults`, `ARGS=report`.
bench: ARGS ?= --save
bench: $(VENV)/ready-to-measure bench/peers/node/node_modules/ready
	$(BIN)/python -m bench $(ARGS)

# See docs/faults.md. `make chaos ARGS="--students 1000 --consoles 10"` as an exam has it.
chaos: $(VENV)/ready-to-test
	$(BIN)/python -m tests.faults $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25" "setuptools>=78.1.1"

$(VENV)/ready: $(BIN)/python $(CHANGED_BY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded]'
	@touch $@

$(VENV)/ready-to-test: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,otel,dev]'
	@touch $@

$(VENV)/deploy/ready: deploy/lint-requirements.txt
	$(PYTHON) -m venv $(VENV)/deploy
	$(VENV)/deploy/bin/pip install --quiet --disable-pip-version-check --upgrade "pip>=25"
	$(VENV)/deploy/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(VENV)/ready-to-measure: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,bench]'
	@touch $@

%/node_modules/ready: %/package.json %/package-lock.json
	cd $* && npm ci --silent
	@touch $@

clean:
	rm -rf $(VENV) tests/js/node_modules bench/peers/node/node_modules web/node_modules server/web build *.egg-info
