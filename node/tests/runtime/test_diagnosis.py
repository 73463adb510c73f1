from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from macula.engine.settings import COMMON_CAPABILITIES
from macula.runtime.diagnosis import Finding, Verdict, diagnose, glance

NAT = {"type": "port_restricted", "name": "home", "public_ip": "198.51.100.7", "public_port": 9443, "note": None}
BOOTSTRAP = {"address": "b:9443", "peer": {"name": "boot", "short_id": "abc"}, "attempts": 0, "code": "", "reason": ""}
RELAY = {"node_id": "r" * 52, "short_id": "r" * 10, "name": "gateway"}


def peer(name: str, clock: float = 0.0, capabilities: tuple[str, ...] = COMMON_CAPABILITIES) -> dict[str, Any]:
    return {"name": name, "short_id": name[:2], "clock_s": clock, "capabilities": list(capabilities)}


def status(**changes: Any) -> dict[str, Any]:
    """Of an edge that has nothing to complain about."""
    good: dict[str, Any] = {
        "mode": "edge",
        "node_id": "own",
        "ready": True,
        "listen": "0.0.0.0:9443",
        "addresses": ["10.0.0.2:9443"],
        "clock_held_s": 0.0,
        "data_dir": {"path": "/data", "problem": ""},
        "reachable": False,
        "bootstraps": [BOOTSTRAP],
        "dht": {"nodes": 4},
        "pool": {"size": 2, "limit": 1000},
        "relays": [RELAY, RELAY | {"name": "bootstrap"}],
        "peers": [peer("bootstrap"), peer("gateway")],
        "certificate_s": None,
    }
    return good | changes


def find(check: str, of: Mapping[str, Any], nat: Mapping[str, Any] = NAT, **holders: list[str]) -> Finding:
    (found,) = [one for one in diagnose(of, nat, holders) if one.check == check]
    return found


def test_a_node_that_is_well_needs_nothing() -> None:
    findings = diagnose(status(), NAT, {"org.example.add": ["own", "other"]})
    assert [one.verdict for one in findings] == [Verdict.OK] * 9
    assert [one.check for one in findings] == [
        "bootstrap",
        "mesh",
        "pool",
        "reached by others",
        "UDP",
        "clock",
        "versions of peers",
        "data directory",
        "record",
    ]
    assert not any(one.remedy for one in findings)


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("unreachable", "no answer", "does it run"),
        ("bad_identity", "another key", "macula pins forget b:9443"),
        ("unreachable", "refused: no_common_realm: serves a", "same realm"),
        ("unreachable", "refused: expired: not valid now", "set the clock"),
        ("unreachable", "b:9443: no_chain: only its own key", "tls_ca and tls_certificate"),
        ("unreachable", "b:9443: unknown_ca: leads nowhere", "same CA bundle"),
        ("unreachable", "b:9443: certificate_expired: until 2026", "renew the certificate"),
        ("unreachable", "b:9443: wrong_name: does not name b", "macula ca issue --host"),
        ("unreachable", "b:9443: bad_certificate: for e-mail", "macula ca issue"),
    ],
)
def test_a_bootstrap_that_failed_says_why_and_what_helps(code: str, reason: str, remedy: str) -> None:
    failed = BOOTSTRAP | {"peer": None, "attempts": 3, "code": code, "reason": reason}
    found = find("bootstrap", status(bootstraps=[failed]))
    assert (found.verdict, found.seen) == (Verdict.FAULT, f"b:9443, 3 attempts: {reason}")
    assert remedy in found.remedy


def test_one_bootstrap_of_two_is_enough_to_work() -> None:
    failed = BOOTSTRAP | {"peer": None, "attempts": 1, "reason": "no answer"}
    findings = diagnose(status(bootstraps=[BOOTSTRAP, failed]), NAT, {})
    assert [one.verdict for one in findings[:2]] == [Verdict.OK, Verdict.WARNING]


def test_a_bootstrap_that_is_being_dialed_is_waited_for() -> None:
    assert find("bootstrap", status(bootstraps=[BOOTSTRAP | {"peer": None}])).verdict is Verdict.WARNING


@pytest.mark.parametrize(("mode", "verdict"), [("bootstrap", Verdict.OK), ("edge", Verdict.WARNING)])
def test_only_a_bootstrap_needs_none(mode: str, verdict: Verdict) -> None:
    assert find("bootstrap", status(bootstraps=[], mode=mode)).verdict is verdict


def test_the_mesh() -> None:
    assert find("mesh", status(ready=False)).verdict is Verdict.FAULT
    assert find("mesh", status(dht={"nodes": 0})).verdict is Verdict.WARNING
    assert find("mesh", status(dht={"nodes": 0}, mode="bootstrap")).verdict is Verdict.OK


@pytest.mark.parametrize(("size", "verdict"), [(899, Verdict.OK), (900, Verdict.WARNING)])
def test_the_pool_is_short_of_room_at_nine_tenths(size: int, verdict: Verdict) -> None:
    assert find("pool", status(pool={"size": size, "limit": 1000})).verdict is verdict


@pytest.mark.parametrize("reachable", [True, False])
def test_a_glance_says_what_can_be_said_without_asking(reachable: bool) -> None:
    whole = diagnose(status(reachable=reachable), NAT, {})
    left_out = {"UDP", "versions of peers", *(["reached by others"] if reachable else [])}
    assert glance(status(reachable=reachable)) == [one for one in whole if one.check not in left_out]


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("none", Verdict.OK),
        ("full_cone", Verdict.OK),
        ("unknown", Verdict.WARNING),
        ("restricted", Verdict.FAULT),
        ("port_restricted", Verdict.FAULT),
        ("symmetric", Verdict.FAULT),
        ("blocked", Verdict.FAULT),
    ],
)
def test_who_is_told_to_be_reachable_must_be(kind: str, verdict: Verdict) -> None:
    found = find("reached by others", status(reachable=True), NAT | {"type": kind})
    assert found.verdict is verdict
    if verdict is Verdict.FAULT:
        assert "10.0.0.2:9443" in found.seen and "UDP port 9443" in found.remedy


@pytest.mark.parametrize(
    ("relays", "verdict"), [([], Verdict.FAULT), ([RELAY], Verdict.WARNING), ([RELAY, RELAY], Verdict.OK)]
)
def test_who_is_not_needs_relays(relays: list[Any], verdict: Verdict) -> None:
    assert find("reached by others", status(relays=relays)).verdict is verdict


def test_udp() -> None:
    assert find("UDP", status(), NAT | {"type": "blocked"}).verdict is Verdict.WARNING
    unknown = find("UDP", status(), NAT | {"type": "unknown", "note": "one observer is too few"})
    assert (unknown.verdict, unknown.seen) == (Verdict.WARNING, "not measured: one observer is too few")


@pytest.mark.parametrize(
    ("clocks", "verdict", "seen"),
    [
        ((), Verdict.WARNING, "nobody"),
        ((0.0, 4.0), Verdict.OK, "agrees with 2"),
        ((0.0, -3600.0), Verdict.WARNING, "not with p1"),
        ((-20.0, -30.0, 0.0), Verdict.WARNING, "behind 2 of 3 peers by at least 20 s"),
        ((3600.0, 3590.0, 3595.0), Verdict.FAULT, "ahead of 3 of 3 peers by at least 3595 s"),
    ],
)
def test_the_clock_is_compared_with_most(clocks: tuple[float, ...], verdict: Verdict, seen: str) -> None:
    found = find("clock", status(peers=[peer(f"p{number}", off) for number, off in enumerate(clocks)]))
    assert found.verdict is verdict
    assert seen in found.seen


def test_peers_of_other_versions_are_named_with_what_they_lack() -> None:
    old, new = peer("old", capabilities=("relay", "stream")), peer("new", capabilities=(*COMMON_CAPABILITIES, "fly"))
    findings = diagnose(status(peers=[old, peer("same"), new]), NAT, {})
    told = [one for one in findings if one.check == "versions of peers"]
    assert [(one.verdict, one.seen) for one in told] == [
        (Verdict.WARNING, "old: older than this node, without trace, zstd"),
        (Verdict.WARNING, "new: newer than this node"),
    ]
    assert all(one.remedy.startswith("update") for one in told)


def test_of_many_nodes_some_are_named() -> None:
    crowd = [peer(f"n{number}", capabilities=()) for number in range(300)]
    found = find("versions of peers", status(peers=crowd))
    assert found.seen.startswith("n0, n1, n2, n3, n4, n5, n6, n7, 292 more: older than this node")


def test_without_peers_there_are_no_versions() -> None:
    assert not [one for one in diagnose(status(peers=[]), NAT, {}) if one.check == "versions of peers"]


@pytest.mark.parametrize(
    ("holders", "verdict"), [(["a", "own"], Verdict.OK), (["own"], Verdict.WARNING), ([], Verdict.FAULT)]
)
def test_records_are_kept_by_others(holders: list[str], verdict: Verdict) -> None:
    assert find("record", status(), org=holders).verdict is verdict


@pytest.mark.parametrize(
    ("problem", "remedy"),
    [
        ("No space left on device", "free space there, or give a directory that the node may write"),
        ("Read-only file system", "mount it writable, or give a directory that the node may write"),
        ("Permission denied", "give a directory that the node may write"),
    ],
)
def test_a_data_directory_that_cannot_be_written_is_named_with_what_to_do(problem: str, remedy: str) -> None:
    broken = status(data_dir={"path": "/data", "problem": problem})
    found = find("data directory", broken)
    assert (found.verdict, found.remedy) == (Verdict.WARNING, remedy)
    assert found.seen == f"nothing can be kept in /data: {problem}; the node goes on with what it knows"
    assert found in glance(broken)


def test_a_node_that_keeps_nothing_has_no_data_directory() -> None:
    assert not [one for one in diagnose(status(data_dir=None), NAT, {}) if one.check == "data directory"]


@pytest.mark.parametrize(
    ("left", "verdict", "seen"),
    [
        (90 * 86400, Verdict.OK, "good for 90.0 days"),
        (6.9 * 86400, Verdict.WARNING, "ends in 6.9 days"),
        (-86400, Verdict.FAULT, "ended 1.0 days ago: other nodes refuse this one"),
    ],
)
def test_a_certificate_is_to_be_renewed_in_time(left: float, verdict: Verdict, seen: str) -> None:
    found = find("certificate", status(certificate_s=left))
    assert (found.verdict, found.seen) == (verdict, seen)
    assert ("macula ca issue" in found.remedy) is (verdict is not Verdict.OK)
    assert found in glance(status(certificate_s=left))


def test_a_clock_that_jumped_and_is_not_followed_is_told_before_what_peers_say() -> None:
    jumped = status(clock_held_s=-3600.0, peers=[peer("bootstrap", 200.0)])
    found = find("clock", jumped)
    assert found.verdict is Verdict.WARNING
    assert found.seen == "this host's clock jumped by -3600 s; the node goes on with the time that it had"
    assert found.remedy.startswith("set this host's clock")
    assert found in glance(jumped)
