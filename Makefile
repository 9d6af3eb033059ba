# `make demo` and `make test` install what they need into .venv when it is not there yet, and do nothing twice.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# the scripts that draw; one whose data are not there says so
FIGURES := $(filter-out results,$(basename $(notdir $(wildcard figures/*.py))))

# the tests that have to reach every line of the mathematics; tracing lines takes as long again as running them
COVERED := tests/structures tests/layers tests/models tests/training tests/test_arrays.py tests/test_properties.py

.PHONY: help demo test test-slow test-torch test-selection zoo figures tutorials bench bench-quick format clean

help:
	@echo "make demo       train one language model five ways, side by side (two minutes); results in figures/"
	@echo "make test       lint, type-check and test"
	@echo "make test-slow  the tests that take long"
	@echo "make test-torch every derivative against PyTorch's autograd, and the checker on a PyTorch module"
	@echo "make test-selection sparse models against the solvers of other packages, and scikit-learn's checks"
	@echo "make zoo        what gradcheck, torch, SciPy and autograd say of 355 wrong backward passes; figures/zoo.md"
	@echo "make figures    draw all figures and tables again from the data in figures/; a minute"
	@echo "make tutorials  execute the notebooks and compare what they show with what is committed; two minutes; the first time some more, to install Jupyter"
	@echo "make bench      this package against its peers, roofline, crossover, memory: benchmarks/results/, 25 minutes"
	@echo "make bench-quick  the comparison alone, a minute and a half"
	@echo "make format     format the code"
	@echo "make clean      remove .venv and caches"

demo: .venv/.runs
	$(BIN)/python -m refdope demo

test: .venv/.tests
	$(BIN)/ruff check refdope tests benchmarks figures tutorials
	$(BIN)/ruff format --check refdope tests benchmarks figures tutorials
	$(BIN)/mypy
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(COVERED) --cov --cov-report= --numprocesses auto --dist worksteal
	$(BIN)/coverage report --include='refdope/arrays.py,refdope/structures/*,refdope/layers/*,refdope/models/*' --fail-under=100
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(addprefix --ignore=,$(COVERED)) --numprocesses auto --dist worksteal

test-slow: .venv/.tests .venv/.nbgrader
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m slow --numprocesses auto

test-torch: .venv/.torch
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m torch --numprocesses auto tests

test-selection: .venv/.selection
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m selection --numprocesses auto tests/selection

zoo: .venv/.torch
	$(BIN)/python -m tests.zoo.table figures

figures: .venv/.runs
	for name in $(FIGURES); do $(BIN)/python figures/$$name.py || exit 1; done

tutorials: .venv/.tutorials
	$(BIN)/python tutorials/run.py

bench: .venv/.bench
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks roofline
	$(BIN)/python -m benchmarks crossover
	$(BIN)/python -m benchmarks ramp
	$(BIN)/python -m benchmarks memory
	$(BIN)/python -m benchmarks share
	$(BIN)/python -m benchmarks selection

bench-quick: .venv/.bench
	$(BIN)/python -m benchmarks --quick

format: .venv/.tests
	$(BIN)/ruff check --fix refdope tests benchmarks figures tutorials
	$(BIN)/ruff format refdope tests benchmarks figures tutorials

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .coverage *.egg-info

# what runs; the pins of requirements.txt are constraints here
.venv/.runs: pyproject.toml requirements.txt | $(BIN)/python
	$(PIP) install --quiet --constraint requirements.txt --editable .
	@touch $@

# what runs, and what tests
.venv/.tests: pyproject.toml requirements.txt | $(BIN)/python
	$(PIP) install --quiet --constraint requirements.txt --editable '.[test]'
	@touch $@ .venv/.runs

# what other frameworks say
.venv/.torch: tests/torch/requirements.txt .venv/.tests
	$(PIP) install --quiet --constraint requirements.txt --requirement tests/torch/requirements.txt
	@touch $@

# what nbgrader says of the labs
.venv/.nbgrader: tests/labs/requirements.txt .venv/.tests
	@echo "installing nbgrader into .venv, once; this takes some minutes"
	$(PIP) install --quiet --constraint requirements.txt --requirement tests/labs/requirements.txt
	@touch $@

# what other solvers say
.venv/.selection: tests/selection/requirements.txt .venv/.tests
	$(PIP) install --quiet --constraint requirements.txt --requirement tests/selection/requirements.txt
	@touch $@

# the notebooks
.venv/.tutorials: pyproject.toml requirements.txt | $(BIN)/python
	@echo "installing Jupyter into .venv, once; this takes some minutes"
	$(PIP) install --quiet --constraint requirements.txt --editable '.[tutorials]'
	@touch $@ .venv/.runs

# the peers of the benchmarks
.venv/.bench: benchmarks/requirements.txt .venv/.runs
	$(PIP) install --quiet --constraint requirements.txt --requirement benchmarks/requirements.txt
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "refdope needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
