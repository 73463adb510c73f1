"""The mesh in a topology that is up: its nodes asked in the words of their command line, on any engine."""

import json
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from macula_lab.composefile.plan import ROUTER
from macula_lab.engines.contract import Engine, Finished, Host
from macula_lab.errors import LabError
from macula_lab.mesh import nats
from macula_lab.mesh.expectation import Expectation, expect
from macula_lab.mesh.models import Member, NodeStatus
from macula_lab.mesh.readiness import not_ready

READY_DEADLINE = 60.0
"""Seconds from started nodes to a mesh in which everybody knows whom it must."""

ORDER = ("bootstrap", "gateway", "edge", "", ROUTER)
"""Of roles, where members are listed."""


class CommandRefused(LabError):
    """`macula …` in a node ended with a non-zero exit code; `code` and `message` are the node's own words."""

    def __init__(
        self, service: str, argv: Sequence[str], exit_code: int, error: Mapping[str, Any], stderr: str
    ) -> None:
        self.service = service
        self.exit_code = exit_code
        self.error = dict(error)
        self.code = str(error.get("code", "unknown"))
        self.message = str(error.get("message", ""))
        told = f"{self.code}: {self.message}" if error else f"exit code {exit_code}"
        super().__init__(f"`macula {' '.join(argv)}` in {service}: {told}", evidence=stderr)


class Mesh:
    """What can be asked of our nodes in a lab, and when they are a mesh."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def project(self) -> str:
        """Under which name it is up."""
        return self.engine.project

    def nodes(self) -> list[str]:
        """The services that run a mesh node, in the order of their names."""
        return sorted(name for name, service in self.engine.plan.services.items() if service.is_node)

    def address(self, service: str) -> str:
        """The first address that the file gives a service. Raises LabError when it gives none."""
        given = [address for address in self.engine.plan.services[service].networks.values() if address]
        if not given:
            raise LabError(f"services.{service}.networks: no ipv4_address is given", "give it one")
        return str(given[0])

    def status(self, service: str) -> NodeStatus:
        """What a node says about itself. Raises CommandRefused when it does not answer."""
        return NodeStatus.model_validate(self.exec_json(service, ["status"]))

    def exec_json(self, service: str, argv: Sequence[str]) -> Any:
        """The JSON answer of `macula ARGV --json` in a node. Raises CommandRefused when the exit code is not 0."""
        ended = self.execute(service, ["macula", *argv, "--json"])
        if ended.code != 0:
            raise CommandRefused(service, argv, ended.code, told_error(ended.stdout), ended.stderr or ended.stdout)
        return json.loads(ended.stdout)

    def execute(self, service: str, argv: Sequence[str]) -> Finished:
        """Run a command in a service to its end."""
        return self.engine.execute(service, argv)

    def stream(self, service: str, argv: Sequence[str]) -> Generator[Any, None, None]:
        """The JSON lines of `macula ARGV --json` in a node as they come, until it ends; close() ends it.

        Raises CommandRefused when the exit code is not 0.
        """
        last = ""

        def parsed() -> Generator[Any, None, Finished]:
            nonlocal last
            lines = self.engine.stream(service, ["macula", *argv, "--json"])
            try:
                while True:
                    last = next(lines)
                    yield json.loads(last)
            except StopIteration as end:
                ended: Finished = end.value
                return ended
            finally:
                lines.close()

        ended = yield from parsed()
        if ended.code != 0:
            raise CommandRefused(service, argv, ended.code, told_error(last), ended.stderr)

    def logs(self, service: str) -> str:
        """What a service has written so far."""
        return self.engine.logs(service)

    def members(self) -> list[Member]:
        """Every service that exists, the nodes that answer with their status and the routers with their NAT."""
        hosts = self.engine.hosts()
        with ThreadPoolExecutor(max_workers=4) as pool:
            found = list(pool.map(self._member, hosts.values()))
        return sorted(
            found, key=lambda member: (ORDER.index(member.role) if member.role in ORDER else 2, member.service)
        )

    def expectation(self) -> Expectation:
        """What must hold for it while its routers are the NATs that they are."""
        return expect(self.engine.plan, nats.profiles(self.engine))

    def wait_ready(self, deadline: float = READY_DEADLINE) -> None:
        """Return when every node that can join is ready, has a peer and knows all others that it must.

        Raises LabError, naming the nodes that are not and with the first one's last log lines, after `deadline`
        seconds, or at once when one ended.
        """
        end = time.monotonic() + deadline
        expected = self.expectation()
        reasons = self._not_ready(expected)
        while reasons:
            first, why = next(iter(reasons.items()))
            ended = why.startswith(("exited", "dead", "killed"))
            if ended or time.monotonic() > end:
                told = self._not_ready(expected) or reasons
                listed = "; ".join(f"{service}: {reason}" for service, reason in told.items())
                when = "" if ended else f" after {deadline:g} s"
                cause = f"{self.project} is not ready{when}: {listed}"
                raise LabError(cause, f"macula-lab logs {first} --project {self.project}", self.engine.logs(first, 20))
            time.sleep(0.2)
            # A command in a node takes time from nodes that start: as long as one is not ready, only that one is asked.
            reasons = self._not_ready(expected, first) or self._not_ready(expected)

    def _not_ready(self, expected: Expectation, *asked: str) -> dict[str, str]:
        """The services that do not run, those that ended first; else those that are not ready, of `asked` or of all.
        Each with why."""
        hosts = self.engine.hosts()
        if waiting := waiting_for(hosts, expected):
            return waiting
        names = asked or (*expected.members, *expected.cut_off)
        with ThreadPoolExecutor(max_workers=4) as pool:
            return not_ready(expected, dict(zip(names, pool.map(self._status, names), strict=True)))

    def _status(self, service: str) -> NodeStatus | None:
        try:
            return self.status(service)
        except LabError:
            return None

    def _member(self, host: Host) -> Member:
        service = self.engine.plan.services.get(host.service)
        return Member(
            service=host.service,
            role=service.role if service else "",
            state=host.state,
            address=" ".join(map(str, host.addresses.values())),
            image=service.image if service else "",
            is_node=service is not None and service.is_node,
            nat=nats.told(self.engine, service, host) if service else "",
            status=self._status(host.service) if service and service.is_node and host.running else None,
        )


def waiting_for(hosts: Mapping[str, Host], expected: Expectation) -> dict[str, str]:
    """The nodes that there is no point in asking, since they do not run, with their state; those that ended first.

    Whether an engine calls a container healthy is not asked: its first look comes only after a whole interval.
    """
    asked = {name: hosts.get(name) for name in [*expected.members, *expected.cut_off]}
    waiting = {name: host.state if host else "not there" for name, host in asked.items() if not (host and host.running)}
    return dict(sorted(waiting.items(), key=lambda item: item[1]))


def told_error(stdout: str) -> dict[str, Any]:
    """The error object of a command's JSON; empty when it printed none."""
    try:
        answer = json.loads(stdout)
    except ValueError:
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}
