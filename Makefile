# Everything a developer runs. `make help` lists it; the environment is made on first use and kept up to date by itself.

VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input
# A Python to make the environment with; the first of these that is 3.11, 3.12 or 3.13 unless PYTHON names one.
PYTHON ?=
PYTHONS = $(or $(PYTHON),python3.11 python3.12 python3.13 python3)
CODE   := hub ingress processors delivery console runtime schemas
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo up test check format bench chaos trials lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Options are passed by ARGS, such as: make test ARGS='-k replay'"

demo: $(VENV)/.run  ## Start a hub, send it signed webhooks, watch them arrive (ONCE=1: one round, then exit)
	@$(BIN)/hub demo $(if $(ONCE),--once) $(ARGS)

up: $(VENV)/.run  ## Run the hub here, in the foreground
	@$(BIN)/hub up $(ARGS)

test: $(VENV)/.dev  ## Run all tests, against real Kafka (KAFKA_BOOTSTRAP_SERVERS, Docker or the embedded one)
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev  ## Check format, lint, types, import rules and dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture --min-confidence 80 $(CODE) tests

format: $(VENV)/.dev  ## Format the code and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## Measure throughput, latency and isolation
	$(BIN)/python -m tests.bench $(ARGS)

chaos: $(VENV)/.dev  ## Kill processes under load and account for every webhook
	$(BIN)/python -m tests.chaos $(ARGS)

trials: $(VENV)/.dev  ## Prove isolation, order, rate limits and backlogs at full size: an hour (ARGS='--quick': ten minutes)
	$(BIN)/python -m tests.trials $(ARGS)

install: $(VENV)/.run  ## Make the environment that runs the hub

install-dev: $(VENV)/.dev  ## Make the environment that also tests it

lock: $(VENV)/.dev  ## Pin all dependencies anew, none younger than [tool.uv] exclude-newer allows
	$(PIP) install --quiet --target $(VENV)/uv uv
	printf 'hatchling==1.33.0\neditables\n' | $(UV_COMPILE) --extra postgres -o requirements.lock
	printf 'hatchling==1.33.0\neditables\n' | $(UV_COMPILE) --extra postgres --group dev -o requirements-dev.lock

UV_COMPILE = $(VENV)/uv/bin/uv pip compile pyproject.toml - --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

clean:  ## Remove the environment and caches; the data in .hub stays
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(CODE) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	    echo "making $(VENV) with $$($$python --version)"; \
	    $$python -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$python cannot make virtual environments: on Debian, apt-get install python3-venv." >&2; exit 1; \
	  fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 among: $(PYTHONS). Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1

# The development environment holds all that the other one has, so one step serves both.
$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "installing requirements-dev.lock into $(VENV)"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $(VENV)/.run $@

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "installing requirements.lock into $(VENV)"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@
