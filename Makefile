# make demo         set up the environment and run the main job: simulate, observe, fit, score, report
# make test         set up the environment and run all tests
# make picture      the README's picture, from the demo's report (needs chromium)
# make docs         the documentation site, into build/site
# make gpu          on a machine with CUDA: tests and measurements, docs/gpu.md (PYTHON names a Python that has PyTorch)
# make check        style, types and the direction of imports
# make mutants      which small mistakes in the core no test notices: of a tenth of them, in half an hour (MUTANTS)
# make constraints  constraints.txt for what pyproject.toml asks; versions that still fit stay
# make resolve      whether that can be installed on every supported Python
#
# Another Python than the one that is there: make PYTHON=python3.13 demo

SUPPORTED := 3.11 3.12 3.13 3.14
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
BIN := .venv/bin
MUTANTS ?= *mutmut_*3
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --all-extras
INSTALLED := .venv/installed-$(VERSION)

.PHONY: demo test gpu check docs picture mutants constraints resolve clean

demo: $(INSTALLED)
	$(BIN)/synapsnet demo --output demo

test: $(INSTALLED)
	$(BIN)/pytest --numprocesses 2 --dist worksteal

gpu:
	$(PYTHON) benchmarks/gpu.py

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks/*.py
	$(BIN)/lint-imports

mutants: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/mutmut run --max-children 1 '$(MUTANTS)'
	$(BIN)/mutmut results | grep -v "not checked"

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(INSTALLED): pyproject.toml constraints.txt
	$(if $(filter $(SUPPORTED),$(VERSION)),,$(error This needs one of Python $(SUPPORTED); $(PYTHON) is \
		$(or $(addprefix Python ,$(VERSION)),not there). Name another: make PYTHON=python3.12 demo))
	@echo "Setting up .venv with Python $(VERSION) ($(PYTHON))."
	test -x $(BIN)/python$(VERSION) || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --no-compile --constraint constraints.txt --editable ".[dev]"
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true  # on all cores, where pip takes one; some packages ship what is no Python
	touch $@

# needs a .venv that is there already, but not what pyproject.toml has just begun to ask for
constraints:
	$(COMPILE) --universal --no-annotate --custom-compile-command "make constraints" --output-file constraints.txt

# oasis-deconv has no wheel for Python 3.14, nixio (no C in it) for none; pip makes them
resolve: $(INSTALLED)
	printf '%s\n' $(SUPPORTED) | xargs -P 4 -I VERSION $(COMPILE) --python-version VERSION --constraint constraints.txt \
		--only-binary :all: --no-binary oasis-deconv --no-binary nixio >/dev/null

picture: $(INSTALLED)
	test -f demo/report.html || $(MAKE) demo
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,1690 \
		--virtual-time-budget=10000 --screenshot=docs/demo.png "file://$(CURDIR)/demo/report.html"

clean:
	rm -rf .venv demo mutants
