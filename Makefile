PYTHON ?= python

.PHONY: test lint types check bench gpu-check help-text

test:            ## all tests but those that need a GPU
	$(PYTHON) -m pytest -m "not gpu"

lint:            ## style and formatting
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:           ## types, strict in the core
	$(PYTHON) -m mypy

check: lint types test

bench:           ## speed of the harness itself
	$(PYTHON) -m pytest benchmarks --benchmark-only

gpu-check:       ## what only a CUDA device can show; writes CSVs under dlbench-runs/gpu
	$(PYTHON) -m pytest -m gpu
	dlbench run --suite quick --device cuda --results dlbench-runs/gpu
	-dlbench run --suite vision --device cuda --results dlbench-runs/gpu
