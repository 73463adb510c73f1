"""Rules come from the parts of a NAT: each part brings its own, and nothing else."""

import itertools
import re
from graphlib import TopologicalSorter
from ipaddress import IPv4Interface

import pytest
from macula.nat.profile import PRESETS, Filtering, Input, Mapping, Ports, Profile, parse

from macula_lab.router.interfaces import Uplink
from macula_lab.router.rules import Probe, Rule, generate
from macula_lab.router.tables import CHAINS, REASONS, render, state

UPLINK = Uplink("wan7", IPv4Interface("203.0.113.21/24"))

NATS = [
    Profile(mapping, filtering, ports, hairpin, input=policy)
    for mapping, filtering, ports, hairpin, policy in itertools.product(Mapping, Filtering, Ports, (False, True), Input)
] + [parse(text) for text in (*PRESETS, "home,udp=blocked", "home,udp=rejected,tcp=443-only", "none,udp=rejected")]


def rules(text: str) -> dict[str, Rule]:
    return {rule.name: rule for rule in generate(parse(text), UPLINK)}


def targets(text: str) -> set[str]:
    """The chains that a rule goes to."""
    return set(re.findall(r"(?:goto|jump) (\w+)", text))


def test_every_ruleset_is_whole() -> None:
    for nat in NATS:
        found = generate(nat, UPLINK)
        names = [rule.name for rule in found]
        assert len(names) == len(set(names)), nat
        words = " ".join(rule.text for rule in found)
        arrived_at = {rule.chain for rule in found} - set(CHAINS)
        assert targets(words) == arrived_at, f"{nat}: packets go to chains with rules, and to all of them"


def test_sets_are_written_before_they_are_asked() -> None:
    constant, reported = {"sequence", "block", "following"}, {"udp_flows", "tcp_flows", *REASONS}
    for nat in NATS:
        words = " ".join(rule.text for rule in generate(nat, UPLINK))
        written = set(re.findall(r"(?:update|add) @(\w+)", words))
        asked = set(re.findall(r"(?<!update )(?<!add )@(\w+)", words))
        assert written | asked <= set(state(nat)), nat
        assert asked - constant <= written, f"{nat}: what a rule asks for, a rule has written"
        assert written - reported - {"sessions"} <= asked, f"{nat}: what is written is asked for, or reported"


def test_no_chain_is_entered_from_itself() -> None:
    for nat in NATS:
        found = generate(nat, UPLINK)
        steps = {rule.chain: set[str]() for rule in found}
        for rule in found:
            steps[rule.chain] |= targets(rule.text)
        TopologicalSorter(steps).prepare()  # raises CycleError


@pytest.mark.parametrize("name", PRESETS)
def test_a_name_brings_nothing_beside_its_parts(name: str) -> None:
    nat = PRESETS[name].profile
    assert generate(parse(name), UPLINK) == generate(parse(str(nat)), UPLINK)


def test_a_plain_router_has_no_rules() -> None:
    assert generate(parse("none"), UPLINK) == ()


@pytest.mark.parametrize(
    ("mapping", "key"),
    [
        ("eim", "ct original ip saddr . ct original proto-src map"),
        ("adm", "ct original ip saddr . ct original proto-src . ct original ip daddr map"),
    ],
)
def test_the_mapping_tells_what_a_port_depends_on(mapping: str, key: str) -> None:
    assert key in rules(f"mapping={mapping}")["mapped"].text


def test_with_a_mapping_for_every_flow_nothing_is_looked_up() -> None:
    assert not {"mapped", "learn_mapped"} & set(rules("symmetric"))


@pytest.mark.parametrize(
    ("filtering", "asked"),
    [("adf", "udp dport . ip saddr != @permitted"), ("apdf", "udp dport . ip saddr . udp sport != @permitted")],
)
def test_the_filter_asks_for_what_it_depends_on(filtering: str, asked: str) -> None:
    assert asked in rules(f"filtering={filtering}")["filtered"].text


def test_a_full_cone_filters_only_hosts_inside() -> None:
    assert 'iifname != "wan7"' in rules("full_cone")["filtered"].text
    assert "filtered" not in rules("full_cone,hairpin=on")


def test_only_delivering_nats_translate_what_begins_outside() -> None:
    assert "deliver" not in rules("filtering=apdf")
    assert "deliver" in rules("filtering=adf")
    assert "hairpin" in rules("filtering=apdf,hairpin=on")
    assert "learn_hosts_by_answer" not in rules("filtering=apdf")
    assert "learn_hosts_by_answer" in rules("filtering=eif")


@pytest.mark.parametrize(
    ("ports", "candidate"),
    [
        ("preserve", "meta random"),
        ("random", "meta random"),
        ("sequential", "numgen inc mod 4096 map @sequence"),
        ("block", "numgen random mod 64 map @block"),
    ],
)
def test_the_port_policy_draws_candidates(ports: str, candidate: str) -> None:
    found = rules(f"ports={ports}")
    assert found["candidate"].text == f"udp sport set {candidate}"
    assert "udp sport != @used" in found["take_next" if ports == "block" else "take"].text
    assert ("preserve" in found) == (ports == "preserve")


def test_a_block_is_walked_to_its_last_port() -> None:
    assert rules("ports=block,block=5000-5007")["walk"].repeat == 8
    assert rules("ports=block,block=5000-5000")["walk"].repeat == 1
    assert rules("ports=block,block=1024-65535")["walk"].repeat == 512


def test_the_input_policy_drops_or_remembers_strangers() -> None:
    dropping, accepting = rules("restricted"), rules("restricted,input=accept")
    assert dropping["drop_no_mapping"].text == dropping["drop_filtered"].text == "counter drop"
    assert not {"drop_no_mapping", "drop_filtered"} & set(accepting)
    assert {"accept_no_mapping", "accept_filtered", "occupied"} <= set(accepting)
    assert "@permitted" in accepting["deliver"].text
    assert "@permitted" not in dropping["deliver"].text


def test_strangers_are_remembered_only_where_they_can_be_in_the_way() -> None:
    assert not {"accept_filtered", "occupied"} & set(rules("symmetric,input=accept"))
    assert "@occupied" not in rules("symmetric,input=accept")["accept_no_mapping"].text
    assert "occupied" in rules("mapping=eim,ports=random,input=accept")
    assert "occupied" in rules("mapping=apdm,ports=preserve,input=accept")


@pytest.mark.parametrize("policy", ["blocked", "rejected"])
def test_udp_that_may_not_leave_needs_no_mapping(policy: str) -> None:
    found = rules(f"udp={policy}")
    assert {"private", "no_mapping", "closed", "others_out", "untranslated", "learn_tcp_flow"} <= set(found)
    assert not {"udp_out", "mapped", "assign", "filtered", "deliver", "lifetime", "learn_used"} & set(found)
    assert "@used" not in found["no_mapping"].text


def test_policies_need_no_translation() -> None:
    found = rules("none,udp=rejected,tcp=443-only")
    assert {rule.chain for rule in found.values()} == {"forwarding", "blocked"}
    assert "admin-prohibited" in found["reject_udp"].text
    assert "!= 443" in found["tcp_blocked"].text


def test_a_session_limit_is_in_its_rule() -> None:
    assert "ct count over 3 " in rules("home,sessions=3")["sessions"].text
    assert "sessions" not in rules("home")


def test_recording_is_shown_by_the_router_itself() -> None:
    records = [rule for rule in rules("cgnat,tcp=443-only").values() if rule.name.startswith("record_")]
    assert len(records) == 7
    assert {rule.probe for rule in records} == {Probe.ACCOUNTING}


def test_the_whole_is_one_transaction_for_our_table_alone() -> None:
    nat = parse("cgnat,block=5000-5002")
    text = render(generate(nat, UPLINK), nat)
    assert text.startswith("table ip macula_nat\ndelete table ip macula_nat\ntable ip macula_nat {")
    assert "flush ruleset" not in text
    assert "unreplied : 60, replied : 60" in text
    assert "elements = { 0 : 5000, 1 : 5001, 2 : 5002 }" in text
    assert "elements = { 5000 : 5001, 5001 : 5002, 5002 : 5000 }" in text
    assert text.count('comment "walk"') == 3
    assert "set tcp_flows" in text
    assert "set occupied" not in text, "what no rule mentions is not declared"


def test_a_chain_stays_when_its_rules_are_taken_out() -> None:
    nat = parse("home")
    text = render([rule for rule in generate(nat, UPLINK) if rule.chain != "filtered"], nat)
    assert "chain filtered { " in text
