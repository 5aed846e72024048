# Every target makes the virtual environment first, if it is not there.
# PYTHON names the interpreter to make it with: 3.11 or 3.12.
PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3; do \
  $$p -c 'import sys; exit(not (3, 11) <= sys.version_info < (3, 13))' \
  2>/dev/null && echo $$p; done))
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
# Two processes, each of which imports TensorFlow: 2 GB. A file's tests share
# their fixtures.
PARALLEL = -n 2 --dist loadfile

# `make coverage` prints a line for each.
PACKAGES = cli data/tasks data/text data/pretraining data/records devices \
  distillation modeling modeling/checkpoints pipeline serving system tools training

.PHONY: quickstart test lint format slow long gpu_tests coverage mutants clean

quickstart: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[onnx]'
	PATH="$(abspath $(BIN)):$$PATH" bash recipes/quickstart.sh

test: lint
	$(BIN)/python -m pytest $(PARALLEL)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/rumdl check --no-cache .

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

slow: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,parity,beam,litert,onnx,openvino,tf-hub,tf-models]'
	$(BIN)/python -m pytest $(PARALLEL) -m 'slow and not long'

# The tests that use the GPU; the folder RESULTS keeps their output.
RESULTS ?= gpu_tests
gpu_tests: $(STAMP)
	PYTHON=$(BIN)/python tests/on_gpu.sh $(RESULTS)

# The default tests' line coverage. Numba compiles some loops: their lines count
# as not covered, and so do those that only processes of their own run.
coverage: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,coverage]'
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=
	@for package in $(PACKAGES); do printf '%-22s' $$package; \
	  $(BIN)/coverage report --include="$$package/*.py" --format=total \
	  $$(test $$package = modeling && echo --omit='modeling/checkpoints/*'); done
	@printf '%-22s' all; $(BIN)/coverage report --format=total

# Changes one operator after another in the pure modules: does a test fail?
# MODULES=metrics names some of tests/mutants/modules.toml; AGAIN=1 tests only
# those that survived last time, SHARE=0.3 three in ten. All take an hour.
mutants: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,mutants]'
	$(BIN)/python tests/mutants/run.py $(MODULES) $(if $(AGAIN),--again) \
	  $(if $(SHARE),--share=$(SHARE))

# Faults injected into real runs, and workers of Beam; one after the other.
long: slow
	$(BIN)/python -m pytest -m long

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || \
	  { echo 'ERROR: no Python 3.11 or 3.12 found; set PYTHON=...'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info
