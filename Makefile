# Two commands: `make run` and `make test`. Each makes its own environment in .venv first.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CHANGED_BY := setup.cfg pyproject.toml

.PHONY: run test lint clean

run: $(VENV)/ready
	@$(BIN)/proctoring-server serve --demo

test: $(VENV)/ready-to-test tests/js/node_modules/ready
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/ready-to-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25"

$(VENV)/ready: $(BIN)/python $(CHANGED_BY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded]'
	@touch $@

$(VENV)/ready-to-test: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@

tests/js/node_modules/ready: tests/js/package.json tests/js/package-lock.json
	cd tests/js && npm ci --silent
	@touch $@

clean:
	rm -rf $(VENV) tests/js/node_modules build *.egg-info
