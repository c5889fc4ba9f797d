PYTHON ?= python
DLBENCH = $(PYTHON) -c "from dlbench.cli import main; main()"

.PHONY: test lint types check bench site gpu-check

test:            ## all tests but those that need a GPU
	$(PYTHON) -m pytest -n 2 --dist loadfile -m "not gpu"

lint:            ## style and formatting
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:           ## types, strict in the core
	$(PYTHON) -m mypy

check: lint types test

bench:           ## speed of the harness itself
	$(PYTHON) -m pytest benchmarks --benchmark-only

site:            ## the pages as a site, in site/; needs dlbench[docs]
	$(PYTHON) -m mkdocs build --strict

gpu-check:       ## what only a CUDA device can show, what can fail first at first; CSVs under dlbench-runs/gpu
	$(DLBENCH) doctor
	$(PYTHON) -m pytest -m gpu -x tests/execute/test_gpu_runs.py -k "fork or every_precision"
	$(PYTHON) -m pytest -m gpu -x tests/train/test_precision.py tests/plugins tests/measure
	$(PYTHON) -m pytest -m gpu
	$(DLBENCH) run --suite quick --device cuda --results dlbench-runs/gpu
	$(DLBENCH) run --suite vision --device cuda --offline --results dlbench-runs/gpu || test $$? -eq 3
