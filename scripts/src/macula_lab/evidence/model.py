"""The evidence as data: what `--json` prints and the page shows. Built from what was gathered, without I/O."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address
from typing import Any

from macula_lab.composefile.plan import Plan, own_addresses
from macula_lab.engines.contract import Host
from macula_lab.evidence.crossings import Crossing, Sighting, crossings, journeys, sightings
from macula_lab.evidence.flows import Flow, flows
from macula_lab.evidence.packets import Endpoint, Packet
from macula_lab.evidence.routers import RouterState
from macula_lab.evidence.taps import Tap
from macula_lab.evidence.timeline import Entry, timeline


@dataclass(slots=True)
class Gathered:
    """What was asked of a lab, as it answered."""

    plan: Plan
    project: str
    engine: str
    time: float
    """when, in seconds since 1970"""
    hosts: Mapping[str, Host] = field(default_factory=dict)
    shown: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """by router: what `macula-router show --json` printed"""
    states: Mapping[str, RouterState] = field(default_factory=dict)
    """the same, read"""
    captured: Sequence[tuple[Tap, Sequence[Packet]]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """by node: what `macula status --json` printed"""
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    """what could not be had, and why"""


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture file."""

    file: str
    router: str
    network: str
    interface: str
    packets: int
    first: float | None
    last: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known about a lab at one time."""

    topology: str
    project: str
    engine: str
    time: float
    variables: Mapping[str, str]
    hosts: Mapping[str, Host]
    names: Mapping[str, str]
    """whose an address is"""
    flows: Sequence[Flow]
    timeline: Sequence[Entry]
    captures: Sequence[Capture]
    routers: Mapping[str, Mapping[str, Any]]
    statuses: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str]
    missing: Sequence[str]


def build(gathered: Gathered) -> Evidence:
    """Joins the captures, and puts everything in order."""
    crossed: list[Crossing] = []
    own: defaultdict[str, set[IPv4Address]] = defaultdict(set)
    seen: defaultdict[str, list[Sighting]] = defaultdict(list)
    for tap, packets in gathered.captured:
        own[tap.router] |= {IPv4Address(address) for address in tap.addresses}
        seen[tap.router] += sightings(tap.router, tap.network, bytes.fromhex(tap.mac.replace(":", "")), packets)
    for one in seen.values():
        crossed += crossings(one)
    found = flows(journeys(crossed), gathered.states, own)
    return Evidence(
        topology=gathered.plan.name,
        project=gathered.project,
        engine=gathered.engine,
        time=gathered.time,
        variables=gathered.plan.variables,
        hosts=gathered.hosts,
        names=names(gathered.plan, gathered.hosts, gathered.states),
        flows=found,
        timeline=timeline(gathered.events, found, gathered.logs),
        captures=[_capture(tap, packets) for tap, packets in gathered.captured],
        routers=gathered.shown,
        statuses=gathered.statuses,
        versions=gathered.versions,
        missing=gathered.missing,
    )


def names(plan: Plan, hosts: Mapping[str, Host], states: Mapping[str, RouterState]) -> dict[str, str]:
    """Whose each address is, as of now."""
    found: dict[str, str] = {}
    for service in plan.services.values():
        fixed = [address for address in service.networks.values() if address]
        current = hosts[service.name].addresses.values() if service.name in hosts else []
        wan = states[service.name].addresses if service.name in states else set()
        own = (*fixed, *own_addresses(service))
        found = {str(address): service.name for address in own} | found
        found |= {str(address): service.name for address in (*current, *wan)}
    return found


def to_json(evidence: Evidence) -> dict[str, Any]:
    """Plain values: times in seconds since 1970, sockets as ip:port."""
    return {
        "topology": evidence.topology,
        "project": evidence.project,
        "engine": evidence.engine,
        "time": evidence.time,
        "variables": dict(evidence.variables),
        "hosts": {
            name: {"state": host.state, "addresses": {key: str(value) for key, value in host.addresses.items()}}
            for name, host in evidence.hosts.items()
        },
        "flows": [_flow(flow, evidence.names) for flow in evidence.flows],
        "timeline": [asdict(entry) for entry in evidence.timeline],
        "captures": [asdict(capture) for capture in evidence.captures],
        "routers": dict(evidence.routers),
        "nodes": dict(evidence.statuses),
        "versions": dict(evidence.versions),
        "missing": list(evidence.missing),
    }


def _flow(flow: Flow, known: Mapping[str, str]) -> dict[str, Any]:
    def ends(pair: tuple[Endpoint, Endpoint] | None) -> dict[str, str] | None:
        return {"source": str(pair[0]), "target": str(pair[1])} if pair else None

    return {
        "protocol": flow.protocol,
        "source": str(flow.source),
        "source_name": known.get(str(flow.source.address), ""),
        "target": str(flow.target),
        "target_name": known.get(str(flow.target.address), ""),
        "arrived": flow.arrived,
        "first": flow.first,
        "last": flow.last,
        "forth": asdict(flow.forth),
        "back": asdict(flow.back),
        "hops": [
            {
                "router": hop.router,
                "action": hop.action,
                "reason": hop.reason,
                "table": hop.table,
                "came_from": hop.came_from,
                "came": ends(hop.came),
                "went_to": hop.went_to,
                "went": ends(hop.went),
            }
            for hop in flow.hops
        ],
    }


def _capture(tap: Tap, packets: Sequence[Packet]) -> Capture:
    times = [packet.time for packet in packets]
    first, last = min(times, default=None), max(times, default=None)
    return Capture(tap.file, tap.router, tap.network, tap.interface, len(packets), first, last)
