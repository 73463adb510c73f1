"""A lab in memory: two NATs before a public network, whose routers and interfaces answer as the real ones do."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from macula_lab.composefile.plan import Network, Plan, Service
from macula_lab.engines.contract import Finished, Host

PUBLIC, LAN_A, LAN_B = (f"172.24.{third}.0/24" for third in range(3))


def network(name: str, subnet: str) -> Network:
    """A network whose gateway is .2."""
    parsed = IPv4Network(subnet)
    return Network(name, parsed, parsed[2])


def router(name: str, networks: dict[str, str], **environment: str) -> Service:
    """A service of the router image."""
    fixed = {network: IPv4Address(address) for network, address in networks.items()}
    return Service(name, "macula-router", fixed, environment)


def edge(name: str, network: str, address: str) -> Service:
    """A host that runs our node."""
    return Service(name, "macula-node", {network: IPv4Address(address)}, labels={"macula.role": "edge"})


def nat_pair() -> Plan:
    """Two LANs, each behind a NAT, and a public network with a plain router and a server; `island` has no router."""
    services = [
        router("internet", {"public": "172.24.0.3"}, ADDRESSES="172.24.0.2/24"),
        router("nat_a", {"public": "172.24.0.21", "lan_a": "172.24.1.3"}, WAN=PUBLIC, NAT="port_restricted"),
        router("nat_b", {"public": "172.24.0.22", "lan_b": "172.24.2.3"}, WAN=PUBLIC, NAT="symmetric"),
        Service("server", "debian", {"public": IPv4Address("172.24.0.10")}),
        edge("edge_a", "lan_a", "172.24.1.31"),
        edge("edge_b", "lan_b", "172.24.2.32"),
    ]
    networks = [
        network("public", PUBLIC),
        network("lan_a", LAN_A),
        network("lan_b", LAN_B),
        network("island", "172.24.9.0/24"),
    ]
    return Plan(Path("nat-pair.yaml"), {one.name: one for one in services}, {one.name: one for one in networks})


class FakeRouter:
    """What `macula-router` of one service remembers."""

    def __init__(self, wan: str) -> None:
        self.wan = wan
        self.mappings = 0
        self.partitioned: list[str] = []
        self.refusal = ""

    def command(self, argv: Sequence[str]) -> Finished:
        """Run `macula-router ARGV`."""
        if self.refusal:
            return Finished(1, "", self.refusal)
        verb, *arguments = argv
        return Finished(0, getattr(self, verb.replace("-", "_"))(*arguments) or "", "")

    def show(self, *_json: str) -> str:
        mappings = [{"protocol": "udp", "inside": f"172.24.1.31:{port}"} for port in range(self.mappings)]
        wan = {"interface": "eth0", "address": self.wan}
        return json.dumps({"wan": wan, "mappings": mappings, "partitioned": self.partitioned})

    def reboot(self) -> None:
        self.mappings = 0

    def wan_change(self, address: str = "172.24.0.250") -> None:
        self.wan, self.mappings = address, 0

    def partition(self, subnet: str) -> None:
        self.partitioned.append(subnet)

    def heal(self, subnet: str) -> None:
        self.partitioned.remove(subnet)


class FakeCable:
    """The interface eth0 of one host: as in Linux, its routes are gone when it goes down."""

    def __init__(self, address: str, routes: list[str]) -> None:
        self.address = address
        self.up = True
        self.routes = routes
        self.unheard = ""
        self.link = "none"
        self.refusal = ""

    def told(self) -> dict[str, Any]:
        """What the shaper of this interface tells."""
        shaped = self.link != "none"
        return {"out": self.link, "in": "none", "seed": 1, "running": shaped, "counters": {}, "problem": ""}

    def command(self, argv: Sequence[str]) -> Finished:
        """Run `ip ARGV`, or load rules."""
        match list(argv):
            case ["ip", "-j", "-4", "address", "show"]:
                loopback = {"ifname": "lo", "flags": ["UP"], "addr_info": [{"local": "127.0.0.1"}]}
                own = {
                    "ifname": "eth0",
                    "flags": ["UP"] if self.up else [],
                    "addr_info": [{"local": self.address}, {"local": "172.24.1.2"}],
                }
                return Finished(0, json.dumps([loopback, own]), "")
            case ["ip", "-4", "route", "show", "dev", "eth0"]:
                return Finished(0, "\n".join(self.routes), "")
            case ["ip", "link", "set", "dev", "eth0", "down"]:
                self.up, self.routes = False, []
            case ["ip", "link", "set", "dev", "eth0", "up"]:
                self.up, self.routes = True, ["172.24.1.0/24 proto kernel scope link src 172.24.1.31"]
            case ["ip", "route", "replace", *route, "dev", "eth0"] if self.up:
                self.routes.append(" ".join(route))
            case ["env", *_, "macula-router", "link", "set", "--out", spec, "--json"] if not self.refusal:
                self.link = spec
                return Finished(0, json.dumps(self.told()), "")
            case ["env", *_, "macula-router", "link", "show", "--json"]:
                return Finished(0, json.dumps(self.told()), "")
            case ["env", *_]:
                return Finished(1, "", self.refusal)
            case ["nft", rules]:
                self.unheard = rules.partition("saddr { ")[2].partition(" }")[0]
            case _:
                return Finished(2, "", f"cannot {argv}")
        return Finished(0, "", "")


@dataclass
class FakeHelper:
    """A helper beside one host."""

    cable: FakeCable
    name: str = ""
    removed: bool = False
    folder: str = "/nowhere"

    def execute(self, argv: Sequence[str], *, timeout: float = 30.0) -> Finished:
        assert not self.removed
        return self.cable.command(argv)

    def spawn(self, argv: Sequence[str]) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def fetch(self, path: str, to: Path) -> None:
        raise NotImplementedError

    def remove(self) -> None:
        self.removed = True


@dataclass
class FakeEngine:
    """An Engine of which everything is up, until told otherwise."""

    plan: Plan = field(default_factory=nat_pair)
    name: str = "fake"
    project: str = "macula-nat-pair"
    states: dict[str, Host] = field(default_factory=dict)
    routers: dict[str, FakeRouter] = field(default_factory=dict)
    cables: dict[str, FakeCable] = field(default_factory=dict)
    helpers: list[FakeHelper] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, service in self.plan.services.items():
            addresses = {network: address for network, address in service.networks.items() if address}
            self.states[name] = Host(name, "running", True, addresses)
            self.cables[name] = FakeCable(str(next(iter(addresses.values()))), ["default via 172.24.1.2"])
        for service in self.plan.routers():
            self.routers[service.name] = FakeRouter(str(service.networks["public"]))

    def hosts(self) -> dict[str, Host]:
        return dict(self.states)

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        assert argv[0] == "macula-router"
        return self.routers[service].command(argv[1:])

    def kill(self, service: str) -> None:
        self._become(service, "exited (137)", False)

    def stop(self, service: str, grace: float = 5.0) -> None:
        self._become(service, "exited (0)", False)

    def restart(self, service: str) -> None:
        assert not self.states[service].running, "the contract: start one that was stopped or killed"
        self._become(service, "running", True)

    def pause(self, service: str) -> None:
        self._become(service, "paused", False)

    def resume(self, service: str) -> None:
        self._become(service, "running", True)

    def detach(self, service: str, network: str) -> None:
        left = {name: own for name, own in self.states[service].addresses.items() if name != network}
        self.states[service] = replace(self.states[service], addresses=left)

    def attach(self, service: str, network: str, address: IPv4Address | None = None) -> None:
        assert address
        self.states[service] = replace(
            self.states[service], addresses={**self.states[service].addresses, network: address}
        )

    def beside(self, service: str, name: str) -> FakeHelper:
        self.helpers.append(FakeHelper(self.cables[service], name))
        return self.helpers[-1]

    def helper(self, name: str, networks: Mapping[str, IPv4Address], *, gateway: bool = True) -> FakeHelper:
        raise NotImplementedError

    def process(self, service: str) -> int:
        return 4711

    def kept(self, name: str) -> FakeHelper | None:
        return next((helper for helper in self.helpers if helper.name == name and not helper.removed), None)

    def start(self, services: Sequence[str] = (), show: Callable[[str], None] = print) -> None:
        raise NotImplementedError

    def down(self, show: Callable[[str], None] = print) -> None:
        raise NotImplementedError

    def stream(self, service: str, argv: Sequence[str]) -> Generator[str, None, Finished]:
        raise NotImplementedError

    def interactive(self, service: str, argv: Sequence[str], terminal: bool) -> list[str]:
        raise NotImplementedError

    def logs(self, service: str, tail: int | None = None) -> str:
        raise NotImplementedError

    def logs_command(self, services: Sequence[str], follow: bool) -> list[str]:
        raise NotImplementedError

    def _become(self, service: str, state: str, running: bool) -> None:
        changes: dict[str, Any] = {"state": state, "running": running}
        self.states[service] = replace(self.states[service], **changes)
