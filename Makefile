# `make demo` runs the main job, `make test` passes the tests, `make docs` builds the manual, `make wheel` installs a wheel elsewhere and runs
# the demo there, `make gpu-check` tests and measures a CUDA device. All set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint coverage docs wheel gpu-check clean

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

docs: .venv/documents
	PYTHONPATH=docs/site:tests/by_hand $(BIN)/python docs/site/stage.py build/manual/source
	$(BIN)/python -m sphinx --quiet --fail-on-warning --jobs auto -b html -c docs/site -d build/manual/trees build/manual/source build/manual/html
	$(BIN)/python -m eqlab show --quiet --out build/manual/html/docs/learn/relaxation.html
	@echo "the manual is in build/manual/html/index.html"

wheel: setup
	$(BIN)/python tests/by_hand/stories.py demo

gpu-check: setup
	$(BIN)/python tests/gpu/gpu_check.py

.venv/documents: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
