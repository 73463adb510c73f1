"""The one page of the evidence. Offline: no script, style, font or picture is loaded from anywhere. No I/O.

A template engine, because what is shown (log lines, names, commands) comes from anywhere and must be escaped always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from jinja2 import Environment, PackageLoader
from macula.nat.profile import PRESETS, parse

from macula_lab.composefile.plan import Plan, Service, own_addresses
from macula_lab.evidence.flows import Flow
from macula_lab.evidence.model import Evidence
from macula_lab.evidence.picture import Label, Picture, draw

MOST_FLOWS = 1000
"""Flows that the page shows, those with the most packets; evidence.json has all."""
MOST_ENTRIES = 2000
"""Entries of the timeline that the page shows, the last ones; evidence.json has all."""

PLAIN = "plain router"
LANES = {"event": "events", "drop": "drops", "error": "errors", "warning": "warnings", "begin": "flows begin"}

TABLES = {
    "confirmed": "as in its table",
    "expired": "no longer in its table",
    "contradicted": "its table says otherwise",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a time is between the first and the last one, in percent."""

    first: float
    last: float

    def __call__(self, time: float) -> float:
        """0 is the first time, 100 the last one."""
        return round(100 * (time - self.first) / max(self.last - self.first, 1e-3), 2)

    def since(self, time: float) -> str:
        """Seconds after the first time."""
        return f"{time - self.first:.3f}"


def render(evidence: Evidence, plan: Plan, files: Sequence[str]) -> str:
    """The page; `files` are the others beside it, as paths relative to it."""
    times = [entry.time for entry in evidence.timeline] or [evidence.time]
    scale = Scale(min(times), max(times))
    environment = Environment(
        loader=PackageLoader("macula_lab.evidence"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, size=size, since=scale.since)
    return environment.get_template("page.html").render(
        evidence=evidence,
        picture=picture(evidence, plan),
        scale=scale,
        lanes={kind: title for kind, title in LANES.items() if any(one.kind == kind for one in evidence.timeline)},
        entries=evidence.timeline[-MOST_ENTRIES:],
        flows=shown_flows(evidence.flows),
        nats={name: nat(shown) for name, shown in evidence.routers.items()},
        tables=TABLES,
        files=files,
    )


def shown_flows(flows: Sequence[Flow]) -> list[Flow]:
    """Those that the page has room for, in the order in which they began."""
    busiest = sorted(flows, key=lambda flow: -(flow.forth.packets + flow.back.packets))[:MOST_FLOWS]
    return sorted(busiest, key=lambda flow: flow.first)


def picture(evidence: Evidence, plan: Plan) -> Picture:
    """The topology, with what is known of each host."""
    labels = {name: Label("network", (name, str(network.subnet))) for name, network in plan.networks.items()}
    addresses: dict[str, dict[str, str]] = {}
    for name, service in plan.services.items():
        host = evidence.hosts.get(name)
        running = host is not None and host.running
        addresses[name] = {key: str(value) for key, value in host.addresses.items()} if host else {}
        lines = [name, next(iter(addresses[name].values()), "") if running else host.state if host else "not up"]
        dropped = 0
        if shown := evidence.routers.get(name):
            lines = [name, nat(shown), *_counted(shown)]
            dropped = sum(drop["packets"] for drop in shown.get("drops", ()))
            addresses[name] |= _own_addresses(plan, service, shown)
        alarm = f"{dropped} dropped" if dropped else ""
        labels[name] = Label(service.role or "host", tuple(lines), alarm, faulty=not running)
    return draw(plan, labels, addresses)


def nat(shown: Mapping[str, Any]) -> str:
    """What kind of NAT a router is: a familiar name where one fits exactly, else its parts."""
    profile = parse(str(shown.get("profile", "none")))
    familiar = next((name for name, preset in PRESETS.items() if preset.profile == profile), "")
    return PLAIN if not profile.translates else familiar or str(profile).replace(",", " ")


def clock(time: float) -> str:
    """The time of day, UTC as in the nodes' logs."""
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S.%f")[:-3]


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _counted(shown: Mapping[str, Any]) -> list[str]:
    count = len(shown.get("mappings", ()))
    return [f"{count} mapping{'' if count == 1 else 's'}"] if nat(shown) != PLAIN else []


def _own_addresses(plan: Plan, router: Service, shown: Mapping[str, Any]) -> dict[str, str]:
    """The addresses that others know the router by: its outside one, and the gateways that it owns."""
    wan = shown.get("wan")
    known = [*own_addresses(router), *([IPv4Address(wan["address"])] if wan else [])]
    return {network.name: str(address) for address in known if (network := plan.network_of(address))}
