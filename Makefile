# `make test` is all that is checked, from a fresh clone. PYTHON=/path/to/python3.12 chooses the interpreter of .venv.
PYTHON ?=
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help env test bench demo docs check lint types tests format clean distclean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

env:  ## .venv with every extra, installed anew only when what it is made from has changed
	@PYTHON='$(PYTHON)' bash .ci/environment

test: env  ## the environment, then every check
	@$(MAKE) --no-print-directory check

demo: env  ## the environment, then the main job on real photographs, with a page to look at
	$(BIN)/irq demo

docs: | $(BIN)/python  ## the documentation in site/, without network; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: env  ## the environment, then speed and memory beside pyiqa's and plain readings; goes on where it was stopped
	$(BIN)/python -m benchmarks.speed --out benchmarks/results/speed.json
	$(BIN)/python -m benchmarks.speed.readme benchmarks/results/speed.json

check: lint types tests  ## lint, types and tests in the present .venv

lint: | $(BIN)/python  ## ruff's rules and format
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: | $(BIN)/python  ## mypy
	$(BIN)/python -m mypy

tests: | $(BIN)/python  ## pytest, a process for each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist worksteal

format: | $(BIN)/python  ## rewrite the sources in ruff's format, imports sorted
	$(BIN)/python -m ruff check --select I --fix .
	$(BIN)/python -m ruff format .

clean:  ## remove caches and builds
	rm -rf build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean  ## remove .venv too
	rm -rf .venv

$(BIN)/python:
	@echo "There is no .venv here yet: run 'make env' (or 'make test', which does it first)." >&2; exit 1
