# The only list of commands: `make help`. Continuous integration calls the same targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.9
TOOLS := .klaster/tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
# Libraries are compiled once, at installation: a service starts in half the time.
export UV_COMPILE_BYTECODE := 1
RUN := $(UV) run --quiet --frozen --all-packages --all-extras
PYTEST := $(RUN) pytest
WORKERS ?= 2
EXAMPLES ?= 5000

.PHONY: help
help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(TOOLS)/bin/uv:  # uv itself, when the machine has none; the Python it needs comes with it or is found
	@echo "Installing uv $(UV_VERSION) into $(TOOLS)"
	@python3 -m venv $(TOOLS)
	@$(TOOLS)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.PHONY: setup
setup: $(if $(findstring $(TOOLS),$(UV)),$(TOOLS)/bin/uv)  ## Install everything the workspace needs into .venv
	@$(UV) sync --frozen --all-packages --all-extras --quiet

.PHONY: up
up: setup  ## Start the whole stack without Docker, load the seeded project, print what came of it
	@$(RUN) klaster up

.PHONY: down
down: setup  ## Stop the stack; nothing is left running
	@$(RUN) klaster down

.PHONY: status
status: setup  ## Health, restarts, memory and alerts of the running stack
	@$(RUN) klaster status

.PHONY: seed
seed: setup  ## Load the seeded project into the running stack (repeatable)
	@$(RUN) klaster seed

.PHONY: tail
tail: setup  ## Messages as they flow
	@$(RUN) klaster tail

.PHONY: lint
lint: setup  ## Style, types, import contracts, schemas
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) python -m klaster_shared.contracts.schemas --check

.PHONY: format
format: setup  ## Format and mend what can be mended
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

.PHONY: test-unit
test-unit: setup  ## Unit, contract and architecture tests: no engine, no socket
	@$(PYTEST) -m "not engines and not containers and not embedded and not e2e" -n $(WORKERS)

.PHONY: test-engines
test-engines: setup  ## Integration tests on embedded PostgreSQL and Kafka
	@$(PYTEST) -m "(engines or embedded) and not e2e" -n $(WORKERS)

.PHONY: test-containers
test-containers: setup  ## The same integration tests on containers, and what only containers have
	@$(PYTEST) -m "(engines or containers) and not embedded and not e2e" --engines=containers -n $(WORKERS)

.PHONY: test-e2e
test-e2e: setup  ## The whole system as its users meet it, on embedded engines
	@$(PYTEST) -m "e2e and not containers and not chaos"

.PHONY: test-chaos
test-chaos: setup  ## Every row of the fault table, a few injections each, on embedded engines
	@$(PYTEST) -m "chaos and not containers"

.PHONY: test-e2e-containers
test-e2e-containers: setup  ## The same on containers, and Docker Compose
	@$(PYTEST) -m "e2e and not embedded" --engines=containers

.PHONY: simulate
simulate: setup  ## Many seeds of the simulated backbone, on every core (SEEDS=100000, FIRST=0); the first broken one shows its schedule
	@$(RUN) python -m klaster_shared.testing.simulation --seeds $(or $(SEEDS),100000) --first $(or $(FIRST),0)

.PHONY: chaos
chaos: setup  ## The long chaos tier, hours: kills, outages, poison … (ROW=F1 or "F1 F3", SEED=17); writes docs/reliability.*
	@$(RUN) python -m tests.chaos $(foreach row,$(ROW),--row $(row)) $(if $(SEED),--chaos-seed $(SEED)) $(CHAOS)
	@$(if $(ROW)$(CHAOS),:,$(MAKE) --no-print-directory models)

.PHONY: models
models: setup  ## The model tests of the approval saga with new examples (EXAMPLES=5000); a part of the long tier
	@KLASTER_MODEL_EXAMPLES=$(EXAMPLES) $(PYTEST) tests/models -k "not broken"

.PHONY: reliability
reliability: setup  ## Write docs/reliability.md from the figures that the long tier has kept
	@$(RUN) python -m tests.chaos --page

.PHONY: test
test: lint test-unit test-engines test-containers test-e2e test-chaos test-e2e-containers  ## Everything but benchmarks and the long chaos tier

.PHONY: schemas
schemas: setup  ## Write the JSON Schemas of the messages (after an additive change)
	@$(RUN) python -m klaster_shared.contracts.schemas --write

.PHONY: lock
lock:  ## Resolve the dependencies anew
	@$(UV) lock

.PHONY: clean
clean:  ## Remove the environment and caches; the stack's state under .klaster stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
