# The commands of the project. Settings: TOPOLOGY (a name in compose/), PROJECT, LAB_NETWORK (two octets: 172.21),
# BASE_IMAGE, COMPOSE_CMD, PYTHON.
.PHONY: help setup up ps logs down test unit integration check clean
LAB = .venv/bin/macula-lab

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/.ready ## the virtual environment with both packages (the other targets do this themselves)

.venv/.ready: node/pyproject.toml scripts/pyproject.toml scripts/setup
	scripts/setup

up: setup ## bring a topology up, show the mesh, prove it with a call and an event; TOPOLOGY=mesh
	$(LAB) up

ps: setup ## show the mesh that is up
	$(LAB) ps

logs: setup ## what the containers wrote
	$(LAB) logs

down: setup ## stop and remove the topology
	$(LAB) down

test: unit integration ## every test

unit: setup ## unit and property tests of both packages
	cd node && ../.venv/bin/python -m pytest
	cd scripts && ../.venv/bin/python -m pytest

integration: setup ## the suites against topologies that they bring up themselves
	cd integration_tests && ../.venv/bin/python -m pytest

check: setup ## ruff, mypy --strict, import rules, habits
	scripts/check

clean: ## remove all that was made: containers, images, engine if we started it, virtual environment, caches
	[ ! -x $(LAB) ] || $(LAB) clean
	git -c core.excludesFile=/dev/null clean -fdXq
