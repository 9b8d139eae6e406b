# Two commands do everything: `make demo` runs the main job, `make test` passes the tests. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint coverage clean

setup: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,dev]'
	touch $@

demo: setup
	$(BIN)/eqlab gradients --out runs/demo-gradients
	$(BIN)/eqlab compare --out runs/demo

test: setup
	$(BIN)/python -m pytest --numprocesses 2

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/house/measure.py

coverage: setup
	$(BIN)/python -m pytest --numprocesses 2 --cov --cov-report term-missing:skip-covered

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
