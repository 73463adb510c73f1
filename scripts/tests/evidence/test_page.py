import json
import re
from html.parser import HTMLParser

import pytest

from macula_lab.composefile.plan import Plan
from macula_lab.engines.contract import Host
from macula_lab.evidence import page
from macula_lab.evidence.model import Evidence, Gathered, build, to_json
from macula_lab.evidence.packets import Packet, parse
from macula_lab.evidence.routers import RouterState
from macula_lab.evidence.taps import Tap
from nat_scene import ADDRESSES, NAT_A, NAT_B, A, drop, mapping, pair, shown
from packet_builders import MAC_HOST, MAC_PEER, MAC_ROUTER, frame

NOON = 1769860800.0
VOID = {"meta", "input", "rect", "line"}


def packet(time: float, source: str, target: str, ttl: int, out: bool) -> Packet:
    from_mac, to_mac = (MAC_ROUTER, MAC_PEER) if out else (MAC_HOST, MAC_ROUTER)
    found = parse(time, frame(source, target, ttl=ttl, from_mac=from_mac, to_mac=to_mac))
    assert found
    return found


def tap(router: str, network: str, *addresses: str) -> Tap:
    return Tap(router, network, f"eth-{network}", MAC_ROUTER.hex(":"), addresses)


def gathered(scene: Plan) -> Gathered:
    """edge_a sends to edge_b's outside address, whose NAT drops it."""
    outside, aimed = f"{NAT_A}:9443", f"{NAT_B}:9443"
    routers = {
        "nat_a": shown("port_restricted", NAT_A, "172.27.1.3", mappings=[mapping(f"{A}:9443", outside, aimed)]),
        "nat_b": shown("symmetric", NAT_B, "172.27.2.3", drops=[drop("filtered", outside, aimed, 5)]),
    }
    captured = [
        (tap("nat_a", "lan_a", "172.27.1.2"), [packet(NOON, f"{A}:9443", aimed, 64, False)]),
        (tap("nat_a", "public", NAT_A), [packet(NOON + 0.001, outside, aimed, 63, True)]),
        (tap("nat_b", "public", NAT_B), [packet(NOON + 0.001, outside, aimed, 63, False)]),
        (tap("nat_b", "lan_b", "172.27.2.2"), []),
    ]
    event = {"event": "wan-change", "target": "nat_a", "arguments": [], "changes": ["<moved>"]}
    return Gathered(
        plan=scene,
        project="macula-scene",
        engine="netns",
        time=NOON + 5,
        hosts={
            name: Host(name, "running", True, ADDRESSES.get(name, {}))
            if name != "edge_b"
            else Host(name, "killed", False)
            for name in scene.services
        },
        shown=routers,
        states={name: RouterState.model_validate(told) for name, told in routers.items()},
        captured=captured,
        events=[{"time": NOON + 1, "seconds": 0.1, **event}],
        logs={"edge_a": "2026-01-31T12:00:02.000Z warning </script><script>alert(1)</script>"},
        statuses={"edge_a": {"mode": "edge", "short_id": "ab3k", "ready": True, "addresses": [], "peers": []}},
        versions={"kernel": "Linux 6"},
        missing=["nat_c: <gone>"],
    )


class Elements(HTMLParser):
    """Every element of a page, which must all be closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def evidence() -> Evidence:
    return build(gathered(pair()))


def elements(evidence: Evidence, files: tuple[str, ...] = ("routers/nat_a.json",)) -> Elements:
    return Elements(page.render(evidence, pair(), files))


def words(evidence: Evidence) -> str:
    return " ".join(" ".join(elements(evidence).text).split())


def test_the_page_tells_the_flow_the_drop_the_event_and_what_is_missing(evidence: Evidence) -> None:
    told = words(evidence)
    for expected in (
        "nat_a lan_a 172.27.1.31:9443 → 172.27.0.22:9443 translated",
        "public, as in its table 172.27.0.21:9443 → 172.27.0.22:9443",
        "nat_b public 172.27.0.21:9443 → 172.27.0.22:9443 dropped: filtered",
        "172.27.1.31:9443 edge_a",
        "nat_a wan-change: <moved>",
        "</script><script>alert(1)</script>",
        "nat_c: <gone>",
        "symmetric",
        "nat_b-public.pcap",
        "Linux 6",
        "killed",
        "0 mappings",
        "5 dropped",
        "12:00:05.000",
    ):
        assert expected in told


def test_the_page_loads_nothing_from_anywhere(evidence: Evidence) -> None:
    text = page.render(evidence, pair(), ["routers/nat_a.json"])
    assert not re.findall(r"https?:|//|url\(|@import|\bimport\b|fetch\(|XMLHttp", text.replace("</script>", ""))
    found = Elements(text).found
    assert [tag for tag, _ in found if tag in ("script", "style")] == ["style", "script"]
    for tag, attributes in found:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert not attributes.keys() & {"src", "srcset", "onclick", "onload"}
        assert not (attributes.get("href") or "").startswith(("http", "/", "data:", "javascript:"))


def test_links_lead_to_the_files_beside_it(evidence: Evidence) -> None:
    links = {attributes["href"] for tag, attributes in elements(evidence, ("services/a b.log",)).found if tag == "a"}
    assert {"services/a%20b.log", "captures/nat_a-lan_a.pcap", "#flows"} <= links


def test_a_lab_of_which_nothing_is_known_has_a_page_that_says_so() -> None:
    told = words(build(Gathered(pair(), "macula-scene", "docker", NOON)))
    for expected in ("No packets were captured.", "Nothing was recorded", "has no router", "No node of ours", "not up"):
        assert expected in told


def test_what_is_too_much_for_a_page_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_FLOWS", 2)
    monkeypatch.setattr(page, "MOST_ENTRIES", 3)
    many = gathered(pair())
    lan = [packet(NOON + n, f"{A}:{n + 1}", "172.27.0.99:1", 64, False) for n in range(9)]
    busiest = [packet(NOON + 20 + n, f"{A}:7777", "172.27.0.99:1", 64, False) for n in range(3)]
    many.captured = [(tap("nat_a", "lan_a"), [*lan, *busiest])]
    told = words(build(many))
    assert "The 2 busiest of 10." in told and f"{A}:7777" in told
    assert "3 entries, the last of 12" in told


def test_the_same_is_there_for_programs(evidence: Evidence) -> None:
    told = json.loads(json.dumps(to_json(evidence)))
    (flow,) = told["flows"]
    assert (flow["source_name"], flow["target_name"], flow["arrived"]) == ("edge_a", "nat_b", False)
    assert [(hop["router"], hop["action"], hop["reason"]) for hop in flow["hops"]] == [
        ("nat_a", "translated", ""),
        ("nat_b", "dropped", "filtered"),
    ]
    assert flow["hops"][0]["went"] == {"source": f"{NAT_A}:9443", "target": f"{NAT_B}:9443"}
    assert [entry["kind"] for entry in told["timeline"]] == ["drop", "event", "warning"]
    assert [capture["packets"] for capture in told["captures"]] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("port_restricted", "port_restricted"),
        ("none", "plain router"),
        ("mapping=adm,filtering=eif,ports=random", "mapping=adm filtering=eif ports=random"),
    ],
)
def test_a_nat_has_its_familiar_name_if_it_has_one(profile: str, told: str) -> None:
    assert page.nat({"profile": profile}) == told


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (5e6, "5.0 MB"), (2e9, "2.0 GB")]
)
def test_sizes_are_told_for_people(count: float, told: str) -> None:
    assert page.size(count) == told
