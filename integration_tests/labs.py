"""The labs of a test session: each is brought up when the first test asks for it, and stays until the last is done."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from macula_lab import bringup, machine
from macula_lab.composefile.load import load
from macula_lab.engines.contract import Engine, Finished
from macula_lab.lab import DOCKER, make, resolve
from macula_lab.report import Reporter
from macula_lab.selfcheck.fast import check_routers

NETWORKS = os.environ.get("LAB_TEST_NAT_NETWORKS", "10.91 10.92 10.93 10.94 10.95 10.96 10.89 10.90").split()
"""First two octets of the addresses of the labs in containers. Those in namespaces are in nobody's way."""

PREFIX = os.environ.get("LAB_TEST_PREFIX", "macula-test")
"""What their projects' names begin with: two sessions at the same time need two, and networks of their own."""

Key = tuple[str, str, str, tuple[tuple[str, str], ...]]


class Labs:
    """Brings labs up by engine, topology and variables; one lab serves every test that asks for the same."""

    def __init__(self) -> None:
        self._made: dict[Key, Engine] = {}
        self._complete: set[Key] = set()
        self.used: list[Engine] = []
        """those that the test which runs has asked for"""
        self._networks = list(NETWORKS)

    def up(self, engine: str, topology: str | Path, **variables: str) -> Engine:
        """The lab of a topology (a name in compose/, or a file) with these variables, its routers proven and its mesh
        complete. One that did not come up is not tried again."""
        return self._lab(bring_up, engine, topology, variables)

    def routers(self, engine: str, topology: str | Path, **variables: str) -> Engine:
        """The same with its routers alone, proven."""
        return self._lab(bring_routers_up, engine, topology, variables)

    def _lab(
        self, start: Callable[[Engine], None], engine: str, topology: str | Path, variables: dict[str, str]
    ) -> Engine:
        key: Key = (start.__name__, engine, str(topology), tuple(sorted(variables.items())))
        if key in self._made:
            lab = self._made[key]
            self.used.append(lab)
            assert key in self._complete, f"{lab.project} did not come up for an earlier test"
            return lab
        file = resolve(str(topology))
        if engine == DOCKER and "LAB_NETWORK" not in variables:
            assert self._networks, "each lab in containers needs its own network: name more in LAB_TEST_NAT_NETWORKS"
            variables["LAB_NETWORK"] = self._networks.pop()
        lab = make(engine, load(file, variables), f"{PREFIX}-{file.stem}-{crc32(repr(key).encode()):x}")
        machine.ensure(engine, Reporter())
        lab.down()  # what a session that was killed left
        self._made[key] = lab
        self.used.append(lab)
        start(lab)
        self._complete.add(key)
        return lab

    def down(self) -> None:
        """Take all of them down."""
        for lab in self._made.values():
            lab.down()


@pytest.fixture(scope="session")
def labs() -> Iterator[Labs]:
    """Every lab that the session's tests ask for."""
    session = Labs()
    try:
        yield session
    finally:
        session.down()


def bring_up(lab: Engine) -> None:
    """What `macula-lab up` does: routers that are not what they are called, and a mesh that is not, are refused."""
    report = Reporter()
    machine.ensure_images(lab.name, lab.plan, report)
    bringup.bring_up(lab, report)


def bring_routers_up(lab: Engine) -> None:
    """The first half of it."""
    machine.ensure_images(lab.name, lab.plan, Reporter())
    lab.start([router.name for router in lab.plan.routers()])
    check_routers(lab)


def macula(lab: Engine, service: str, *argv: str) -> Any:
    """The JSON that `macula ARGV --json` in a node prints. Fails, with its words, when the exit code is not 0."""
    done = asked(lab, service, *argv)
    assert done.code == 0, f"macula {' '.join(argv)} in {service}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def refused(lab: Engine, service: str, *argv: str) -> Any:
    """The error object that `macula ARGV --json` in a node prints. Fails when it is no error."""
    done = asked(lab, service, *argv)
    assert done.code != 0, f"macula {' '.join(argv)} in {service} succeeded: {done.stdout}"
    return json.loads(done.stdout)["error"]


def asked(lab: Engine, service: str, *argv: str) -> Finished:
    """`macula ARGV --json` in a node, to its end."""
    return lab.execute(service, ["macula", *argv, "--json"])


def router(lab: Engine, name: str) -> Any:
    """What a router says of itself: its profile, rules, mappings and drops."""
    done = lab.execute(name, ["macula-router", "show", "--json"])
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)
