# The commands of the project. Settings, also in the environment: TOPOLOGY (a name in compose/, or a compose file), ENGINE
# (docker, netns), PROJECT, LAB_NETWORK (two octets: 172.21), NAT_A, NAT_B, LINK_A_OUT, ... (what the topology's file has),
# BASE_IMAGE, COMPOSE_CMD, PYTHON. What is not said means: the lab that is up, and the values it was brought up with.
.PHONY: help setup up ps logs down selfcheck matrix scenario recovery faults bench bench-setup measure-up test unit integration containers namespaces load fuzz check clean
LAB = .venv/bin/macula-lab
export LAB_ENGINE := $(or $(ENGINE),$(LAB_ENGINE))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/.ready ## the virtual environment with both packages (the other targets do this themselves)

.venv/.ready: node/pyproject.toml scripts/pyproject.toml scripts/setup
	scripts/setup

up: setup ## bring a lab up, prove its routers and its mesh, show it; TOPOLOGY=mesh
	$(LAB) up

ps: setup ## show the lab that is up
	$(LAB) ps

logs: setup ## what its hosts wrote
	$(LAB) logs

down: setup ## remove it
	$(LAB) down

selfcheck: setup ## every NAT class and port policy: built, classified, compared
	$(LAB) selfcheck

matrix: setup ## every pair of NATs: do two nodes meet as they must, losing nothing; a table and a page
	$(LAB) matrix

scenario: setup ## one pair, told as a story: NAT_A=port-restricted NAT_B=symmetric-sequential
	$(LAB) scenario

recovery: setup ## what two nodes that talk notice of each fault: NAT reboot, roaming, death of a relay, ...; a table
	$(LAB) recovery

faults: setup ## what a mesh under load notices when nodes die, hang or stop, networks split, ...; every call accounted for; a table
	$(LAB) faults

# The longest first, so that side by side they end at about the same time. The integration suites wait more than they compute.
test: namespaces containers unit load ## every test; on two cores: make -j3 -Otarget test

bench: setup ## how fast a node is, next to its goals; about three minutes on two idle cores; BENCH="calls --json"
	cd node && ../.venv/bin/python -m benchmarks --out ../.lab/bench $(BENCH)

bench-setup: setup ## what `make bench` compares a node to: grpc.aio, nats, zenoh; and what draws the chart
	scripts/setup bench

measure-up: setup ## what `make up` takes, next to the engine alone; TOPOLOGY=mesh
	.venv/bin/python scripts/measure_up.py $(or $(TOPOLOGY),mesh)

unit: setup ## unit and property tests of both packages
	cd node && ../.venv/bin/python -m pytest
	cd scripts && ../.venv/bin/python -m pytest

integration: containers namespaces load ## the suites against labs that they bring up themselves

containers: setup ## those of them on Docker
	cd integration_tests && ../.venv/bin/python -m pytest -m containers

namespaces: setup ## those of them on network namespaces
	cd integration_tests && LAB_TEST_PREFIX=macula-spaces ../.venv/bin/python -m pytest -m namespaces

load: setup ## those of them in which faults befall a mesh under load
	cd integration_tests && LAB_TEST_PREFIX=macula-load ../.venv/bin/python -m pytest -m load

fuzz: setup ## a million hostile inputs for the decoder, others each time; FUZZ_SEED=... repeats a run
	cd node && FUZZ_INPUTS=1000000 FUZZ_SEED=$(or $(FUZZ_SEED),$(shell date +%s)) ../.venv/bin/python -m pytest tests/wire/test_decoder_fuzz.py -k hostile_bytes

check: setup ## ruff, mypy --strict, import rules, habits
	scripts/check

clean: ## remove all that was made: labs, images, engine if we started it, virtual environment, caches
	[ ! -x $(LAB) ] || $(LAB) clean
	git -c core.excludesFile=/dev/null clean -fdXq
