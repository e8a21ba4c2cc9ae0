# make demo   set up the environment and run the main job: simulate, observe, fit, score, report
# make test   set up the environment and run all tests
# make check  style, types and the direction of imports

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test check clean

demo: $(INSTALLED)
	$(BIN)/synapsnet demo --output demo

test: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv demo
