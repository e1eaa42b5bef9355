# Two commands: `make run` and `make test`. Each makes its own environment in .venv first.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CHANGED_BY := setup.cfg pyproject.toml

.PHONY: run test lint bench clean

run: $(VENV)/ready
	@$(BIN)/proctoring-server serve --demo

test: $(VENV)/ready-to-test tests/js/node_modules/ready bench/peers/node/node_modules/ready
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/ready-to-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# See docs/performance.md. `make bench ARGS="heartbeat --rounds 1"` for some, `ARGS=soak`, `ARGS=faults`, `ARGS=report`.
bench: ARGS ?= --save
bench: $(VENV)/ready-to-measure bench/peers/node/node_modules/ready
	$(BIN)/python -m bench $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25"

$(VENV)/ready: $(BIN)/python $(CHANGED_BY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded]'
	@touch $@

$(VENV)/ready-to-test: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@

$(VENV)/ready-to-measure: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,bench]'
	@touch $@

%/node_modules/ready: %/package.json %/package-lock.json
	cd $* && npm ci --silent
	@touch $@

clean:
	rm -rf $(VENV) tests/js/node_modules bench/peers/node/node_modules build *.egg-info
