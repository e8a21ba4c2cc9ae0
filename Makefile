# make demo     set up the environment and run the main job: simulate, observe, fit, score, report
# make test     set up the environment and run all tests
# make picture  the README's picture, from the demo's report (needs chromium)
# make docs     the documentation site, into build/site
# make gpu      on a machine with CUDA: tests and measurements, docs/gpu.md (PYTHON names a Python that has PyTorch)
# make check    style, types and the direction of imports

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test gpu check docs picture clean

demo: $(INSTALLED)
	$(BIN)/synapsnet demo --output demo

test: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2

gpu:
	$(PYTHON) benchmarks/gpu.py

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

picture: $(INSTALLED)
	test -f demo/report.html || $(MAKE) demo
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,1690 \
		--virtual-time-budget=10000 --screenshot=docs/demo.png "file://$(CURDIR)/demo/report.html"

clean:
	rm -rf .venv demo
