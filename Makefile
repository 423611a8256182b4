# What a newcomer types: `make run`, `make test`. Everything else builds on the same .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test lint test-slow soak bench lab docs pictures notebook clean

run: $(STAMP)
	$(BIN)/hpo run --trials 50

# By file, as the tests of one file share what they train. More processes than two hardly help:
# many tests start processes of their own.
test: $(STAMP)
	$(BIN)/pytest --numprocesses 2 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-slow: $(STAMP)
	$(BIN)/pytest -m slow

soak: $(STAMP)
	$(BIN)/pytest -m soak -s

bench: $(STAMP)
	$(BIN)/pytest -m bench -s tests/benchmarks

# Records learning curves of the sets in HPO_LAB_DATA, and compares ways to search on them.
NIGHT ?= 1
lab: $(STAMP)
	$(BIN)/python -m tests.lab.record --night $(NIGHT)
	$(BIN)/python -m tests.lab.portfolio
	$(BIN)/python -m tests.lab.report --write

docs: $(STAMP)
	$(BIN)/python -m docs.generate

pictures: $(STAMP)
	$(BIN)/python -m docs.pictures

notebook: $(STAMP)
	$(BIN)/python -m docs.quickstart

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hpo needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --group dev --editable '.[heic,onnx,openvino,parquet,png,postgresql,serve,tflite]'
	@touch $@
