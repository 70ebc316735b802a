# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
# OpenCV's window build needs libGL; where the system has none, the headless build is taken.
OPENCV := $(if $(shell ldconfig -p 2>/dev/null | grep -m1 'libGL\.so\.1'),,-headless)
VENV := .venv
BIN := $(VENV)/bin
DEMO_FLAGS := $(if $(CLIP),--camera '$(CLIP)') $(if $(CAMERA),--camera '$(CAMERA)') \
              $(if $(PORT),--port $(PORT)) $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED))

.PHONY: demo test test-long lint types check docs lock sbom add-on tree clean

demo: $(VENV)/.run ## the whole loop: broker, camera, activities, forecasts, live view
	@$(BIN)/har-demo $(DEMO_FLAGS)

# Two processes, whatever the cores, so that tests meet the load they are written for;
# ARGS='-n 0' takes one. What a file's tests share is made once, as its tests stay together.
test: $(VENV)/.dev ## the whole suite; parts that need something absent are skipped aloud
	@.ci/prepare
	$(BIN)/python -m pytest -m 'not slow' -n 2 --dist worksteal $(ARGS)

test-long: $(VENV)/.dev ## hundreds of faults, soaks, a real Home Assistant; prints its figures
	@.ci/prepare
	$(BIN)/python -m pytest -m slow -s --timeout 7200 $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		|| { echo 'har-stream needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 demo'; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo 'Python has no venv module here; on Debian: apt-get install python3-venv'; exit 1; }

$(VENV)/.run: locks/run$(OPENCV).txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo 'Installing what running needs (no TensorFlow) ...'
	@$(BIN)/python -m pip install --quiet --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: locks/dev$(OPENCV).txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo 'Installing everything that training and testing need ...'
	@$(BIN)/python -m pip install --quiet --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

docs: $(VENV)/.dev ## the documentation as a site, in build/site
	$(BIN)/mkdocs build --quiet -f docs/site/mkdocs.yml

lock: $(VENV)/pyvenv.cfg ## write the lock files anew from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	BIN=$(BIN) locks/lock

sbom: $(VENV)/.dev ## the packages of a run-only install as CycloneDX, in build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements locks/run.txt --output-file build/sbom.json

add-on: $(VENV)/.dev ## the add-on of Home Assistant, in build/home-assistant
	@rm -rf build/home-assistant && mkdir -p build/home-assistant
	@cp -r docs/deploy/home-assistant/har-stream docs/deploy/home-assistant/repository.yaml build/home-assistant/
	@cp locks/run-headless.txt build/home-assistant/har-stream/
	$(BIN)/python -m build --no-isolation --wheel --outdir build/home-assistant/har-stream .

tree: $(VENV)/.dev ## draw the tree in CONTRIBUTING.md anew
	@PYTHONPATH=tests $(BIN)/python -m support.tree

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
