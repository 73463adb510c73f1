"""What is wrong with a node, and what to do about it: `macula doctor` and /health. Pure: from what the node says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from macula.engine.settings import CAPABILITIES, COMMON_CAPABILITIES
from macula.runtime.keystore import remedy

CLOCK_SLACK = 5.0
"""Seconds by which clocks may differ without a word."""
CROWDED = 0.9
"""The share of the connections that it may hold from which on a node is short of them."""
CERTIFICATE_SOON = 7 * 86400.0
"""Seconds before its end from which on a certificate is to be renewed."""
MOST_NAMES = 8
"""Nodes that one finding names."""
CLOCK_LIMIT = 60.0
"""From so many seconds on records are taken for expired, or for not valid yet, before long."""

State = Mapping[str, Any]


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    """it works, and could work better"""
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was seen, and what to do about it (empty: nothing)."""

    check: str
    verdict: Verdict
    seen: str
    remedy: str = ""


def diagnose(status: State, nat: State, holders: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Everything there is to say, in the order in which one would look.

    `status` and `nat` are what `macula status --json` and `macula nat --json` print, `holders` the node ids that keep
    this node's record of each of its procedures.
    """
    return [
        *_bootstraps(status),
        *_mesh(status),
        _pool(status),
        _entry(status, nat) if status["reachable"] else _relays(status),
        _udp(nat),
        _clock(status),
        *_versions(status),
        *_data_dir(status),
        *_certificate(status),
        *(_record(status, name, nodes) for name, nodes in holders.items()),
    ]


def glance(status: State) -> list[Finding]:
    """The same as far as it can be said at once, without asking the network."""
    return [
        *_bootstraps(status),
        *_mesh(status),
        _pool(status),
        *([] if status["reachable"] else [_relays(status)]),
        _clock(status),
        *_data_dir(status),
        *_certificate(status),
    ]


_REMEDIES = {
    "no_chain": "one of the two is in CA mode and the other not: give both tls_ca and tls_certificate, or neither",
    "unknown_ca": "give both nodes the same CA bundle (tls_ca), with the CA that issued the other's certificate",
    "certificate_expired": "renew the certificate that is named (`macula ca issue`), or set the clock of this host",
    "wrong_name": "issue its certificate for that host (`macula ca issue --host`), or dial it by a name that it has",
    "bad_certificate": "issue that certificate anew, for TLS servers and clients (`macula ca issue`)",
    "no_common_realm": "give both nodes the same realm (MACULA_REALM)",
    "no_common_version": "bring both nodes to versions that have a protocol in common",
    "expired": "set the clock of this host and of the bootstrap, such as by `timedatectl set-ntp true`",
}


def _bootstraps(status: State) -> Iterator[Finding]:
    entries = status["bootstraps"]
    connected = any(entry["peer"] for entry in entries)
    if not entries:
        first = status["mode"] == "bootstrap"
        seen = "none is configured: others enter the mesh here" if first else "none is configured"
        remedy = "" if first else "name one: --bootstrap HOST:9443, or MACULA_BOOTSTRAP_PEERS"
        yield Finding("bootstrap", Verdict.OK if first else Verdict.WARNING, seen, remedy)
    for entry in entries:
        if peer := entry["peer"]:
            yield Finding("bootstrap", Verdict.OK, f"{entry['address']} is {peer['name'] or peer['short_id']}")
        elif not entry["reason"]:
            yield Finding("bootstrap", Verdict.WARNING, f"{entry['address']} is being dialed", "ask again in a moment")
        else:
            verdict = Verdict.WARNING if connected else Verdict.FAULT
            seen = f"{entry['address']}, {entry['attempts']} attempts: {entry['reason']}"
            yield Finding("bootstrap", verdict, seen, _bootstrap_remedy(entry))


def _bootstrap_remedy(entry: State) -> str:
    if entry["code"] == "bad_identity":
        return f"if it was set up anew: macula pins forget {entry['address']}; if not, somebody else answers there"
    said = next((remedy for code, remedy in _REMEDIES.items() if code in entry["reason"]), "")
    return said or "does it run, and does a firewall let UDP to that port out, or TCP to 443?"


def _mesh(status: State) -> Iterator[Finding]:
    peers, known = len(status["peers"]), status["dht"]["nodes"]
    seen = f"connected to {_count(peers, 'peer')}, the DHT's table has {_count(known, 'node')}"
    if not status["ready"]:
        yield Finding("mesh", Verdict.FAULT, f"not in the mesh: {seen}", "see bootstrap")
    elif not known and status["mode"] != "bootstrap":
        yield Finding("mesh", Verdict.WARNING, seen, "nothing can be looked up until a node that serves the DHT is met")
    else:
        yield Finding("mesh", Verdict.OK, seen)


def _pool(status: State) -> Finding:
    pool = status["pool"]
    seen = f"{pool['size']} of {_count(pool['limit'], 'connection')}"
    if pool["size"] < CROWDED * pool["limit"]:
        return Finding("pool", Verdict.OK, seen)
    return Finding("pool", Verdict.WARNING, f"{seen}: idle ones are closed to make room", "raise --pool-max-size")


def _entry(status: State, nat: State) -> Finding:
    """Whether a node that others dial lets them in."""
    check, where = "reached by others", ", ".join(status["addresses"]) or "no address"
    if nat["type"] in ("restricted", "port_restricted", "symmetric", "blocked"):
        seen = f"others are told to dial {where}, and its NAT ({nat['type']}) lets nobody in"
        port = str(status["listen"]).rpartition(":")[2]
        remedy = f"forward UDP port {port} to this host, or say that it is not: --reachable no"
        return Finding(check, Verdict.FAULT, seen, remedy)
    if nat["type"] == "unknown":
        seen = f"others are told to dial {where}; no node that could check that has answered"
        return Finding(check, Verdict.WARNING, seen, "connect to a bootstrap, gateway or relay that answers STUN")
    return Finding(check, Verdict.OK, f"at {where}; what comes from outside gets in")


def _relays(status: State) -> Finding:
    """Whether a node that cannot be dialed has who carries for it."""
    check, relays = "reached by others", status["relays"]
    if not relays:
        seen = "not from outside, and no relay carries for it"
        return Finding(check, Verdict.FAULT, seen, "connect to a bootstrap, gateway or relay that has room (--relays)")
    names = _names(relays)
    if len(relays) == 1:
        return Finding(check, Verdict.WARNING, f"through {names} alone", "a second relay takes over when that one goes")
    return Finding(check, Verdict.OK, f"through {names}, and directly where both NATs allow it")


def _udp(nat: State) -> Finding:
    if nat["type"] == "blocked":
        seen = "nothing comes back by UDP: everything goes over TLS on TCP, and nothing directly"
        return Finding("UDP", Verdict.WARNING, seen, "let UDP out, at least to port 9443 of the bootstraps")
    if nat["type"] == "unknown":
        return Finding("UDP", Verdict.WARNING, f"not measured{_note(nat)}", "see `macula nat --refresh`")
    where = f"{nat['public_ip']}:{nat['public_port']}"
    return Finding("UDP", Verdict.OK, f"seen from outside at {where}, NAT: {nat['name'] or nat['type']}")


def _note(nat: State) -> str:
    return f": {nat['note']}" if nat["note"] else ""


def _clock(status: State) -> Finding:
    peers, jumped = status["peers"], status["clock_held_s"]
    set_it = "set this host's clock, such as by `timedatectl set-ntp true`"
    if jumped:
        seen = f"this host's clock jumped by {jumped:+.0f} s; the node goes on with the time that it had"
        return Finding("clock", Verdict.WARNING, seen, f"{set_it}; a node that starts now takes it as it is")
    wrong = [peer for peer in peers if abs(peer["clock_s"]) > CLOCK_SLACK]
    if not peers:
        return Finding("clock", Verdict.WARNING, "nobody to compare it with", "see bootstrap")
    if not wrong:
        return Finding("clock", Verdict.OK, f"agrees with {_count(len(peers), 'peer')}")
    if 2 * len(wrong) <= len(peers):
        seen = f"agrees with most, but not with {_names(wrong)}"
        return Finding("clock", Verdict.WARNING, seen, "set the clocks of these")
    off = sorted(peer["clock_s"] for peer in wrong)[len(wrong) // 2]
    seen = f"{'ahead of' if off > 0 else 'behind'} {len(wrong)} of {len(peers)} peers by at least {abs(off):.0f} s"
    verdict = Verdict.FAULT if abs(off) > CLOCK_LIMIT else Verdict.WARNING
    return Finding("clock", verdict, seen, set_it)


def _versions(status: State) -> Iterator[Finding]:
    """Whether peers do what this node does, and know no more."""
    check, peers = "versions of peers", status["peers"]
    older = [peer for peer in peers if not set(peer["capabilities"]).issuperset(COMMON_CAPABILITIES)]
    newer = [peer for peer in peers if not CAPABILITIES.issuperset(peer["capabilities"])]
    if older:
        lacking = sorted({name for name in COMMON_CAPABILITIES for peer in older if name not in peer["capabilities"]})
        seen = f"{_names(older)}: older than this node, without {', '.join(lacking)}"
        yield Finding(check, Verdict.WARNING, seen, "update these; until then they are asked for nothing of that")
    if newer:
        seen = f"{_names(newer)}: newer than this node"
        yield Finding(check, Verdict.WARNING, seen, "update this node to have all that they offer")
    if peers and not older and not newer:
        yield Finding(check, Verdict.OK, f"{_count(len(peers), 'peer')} of this version, as far as one can tell")


def _names(nodes: Sequence[State]) -> str:
    named = [str(node["name"] or node["short_id"]) for node in nodes[:MOST_NAMES]]
    return ", ".join([*named, f"{len(nodes) - MOST_NAMES} more"] if len(nodes) > MOST_NAMES else named)


def _data_dir(status: State) -> Iterator[Finding]:
    if not (kept := status["data_dir"]):
        return
    if not kept["problem"]:
        yield Finding("data directory", Verdict.OK, f"{kept['path']} can be written")
        return
    seen = f"nothing can be kept in {kept['path']}: {kept['problem']}; the node goes on with what it knows"
    yield Finding("data directory", Verdict.WARNING, seen, remedy(kept["problem"]))


def _certificate(status: State) -> Iterator[Finding]:
    """CA mode only."""
    left: float | None = status["certificate_s"]
    if left is None:
        return
    renew = "issue a new one (`macula ca issue`) in the same file: it is read within 30 s, without a restart"
    if left <= 0:
        yield Finding("certificate", Verdict.FAULT, f"ended {_days(-left)} ago: other nodes refuse this one", renew)
    elif left < CERTIFICATE_SOON:
        yield Finding("certificate", Verdict.WARNING, f"ends in {_days(left)}", renew)
    else:
        yield Finding("certificate", Verdict.OK, f"good for {_days(left)}")


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.1f} days"


def _record(status: State, name: str, holders: Sequence[str]) -> Finding:
    others = [node for node in holders if node != status["node_id"]]
    if others:
        return Finding("record", Verdict.OK, f"{name}: kept by {_count(len(others), 'other node')}")
    if not holders:
        return Finding("record", Verdict.FAULT, f"{name}: nobody finds it", "it is published anew; see mesh and clock")
    return Finding("record", Verdict.WARNING, f"{name}: kept here alone", "nodes that serve the DHT must be connected")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
