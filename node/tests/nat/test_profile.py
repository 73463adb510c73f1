"""The kinds of NAT as words."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.nat import profile as words
from macula.nat.profile import (
    PRESETS,
    Filtering,
    Input,
    Mapping,
    Ports,
    Profile,
    ProfileError,
    Tcp,
    Udp,
    familiar,
    parse,
)

EIM, ADM, APDM = Mapping
EIF, ADF, APDF = Filtering

TABLE = {
    "none": ("none", EIM, APDF, Ports.PRESERVE),
    "full_cone": ("mapping=eim,filtering=eif,ports=preserve", EIM, EIF, Ports.PRESERVE),
    "restricted": ("mapping=eim,filtering=adf,ports=preserve", EIM, ADF, Ports.PRESERVE),
    "port_restricted": ("mapping=eim,filtering=apdf,ports=preserve", EIM, APDF, Ports.PRESERVE),
    "symmetric": ("mapping=apdm,filtering=apdf,ports=random", APDM, APDF, Ports.RANDOM),
    "symmetric_sequential": ("mapping=apdm,filtering=apdf,ports=sequential", APDM, APDF, Ports.SEQUENTIAL),
    "cgnat": ("mapping=eim,filtering=apdf,ports=block,lifetime=60,sessions=1000", EIM, APDF, Ports.BLOCK),
    "corporate": ("mapping=apdm,filtering=apdf,ports=random,lifetime=60,tcp=443-only", APDM, APDF, Ports.RANDOM),
    "home": ("mapping=eim,filtering=apdf,ports=preserve,hairpin=on", EIM, APDF, Ports.PRESERVE),
}


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Any NAT that exists."""
    if draw(st.integers(0, 9)) == 0:
        return Profile(translates=False, udp=draw(st.sampled_from(Udp)), tcp=draw(st.sampled_from(Tcp)))
    ports = draw(st.sampled_from(Ports))
    low, high = sorted(draw(st.tuples(st.integers(1024, 65_535), st.integers(1024, 65_535))))
    return Profile(
        draw(st.sampled_from(Mapping)),
        draw(st.sampled_from(Filtering)),
        ports,
        hairpin=draw(st.booleans()),
        lifetime=draw(st.integers(*words.LIFETIMES)),
        sessions=draw(st.none() | st.integers(*words.SESSIONS)),
        block=(low, high) if ports is Ports.BLOCK else words.PORT_BLOCK,
        udp=draw(st.sampled_from(Udp)),
        tcp=draw(st.sampled_from(Tcp)),
        input=draw(st.sampled_from(Input)),
    )


def test_the_table_has_every_preset() -> None:
    assert set(TABLE) == set(PRESETS)


@pytest.mark.parametrize("name", TABLE)
def test_presets_are_what_they_are_called(name: str) -> None:
    text, mapping, filtering, ports = TABLE[name]
    profile = PRESETS[name].profile
    assert (profile.mapping, profile.filtering, profile.ports) == (mapping, filtering, ports)
    assert str(profile) == text
    assert profile.translates is (name != "none")
    assert profile.dependent is (mapping is APDM)
    assert PRESETS[name].found


@pytest.mark.parametrize(
    ("nat", "name"),
    [
        *((name, name) for name in TABLE if name not in ("corporate", "home")),
        ("corporate", "symmetric"),
        ("home", "port_restricted"),
        ("restricted,ports=random", "restricted"),
        ("port_restricted,ports=sequential", "port_restricted"),
        ("cgnat,lifetime=30", "cgnat"),
        ("symmetric,ports=block", ""),
        ("mapping=adm", ""),
        ("home,udp=blocked", ""),
    ],
)
def test_the_familiar_name_is_that_of_the_preset_most_like_it(nat: str, name: str) -> None:
    assert familiar(parse(nat)) == name


@pytest.mark.parametrize("name", TABLE)
def test_a_preset_is_found_by_its_name_in_every_spelling(name: str) -> None:
    profile = PRESETS[name].profile
    assert parse(name) == parse(name.replace("_", "-")) == parse(f" {name.upper()} ") == profile


@given(profiles())
def test_text_round_trip(profile: Profile) -> None:
    assert parse(str(profile)) == profile


@given(st.sampled_from(sorted(PRESETS)), st.sampled_from(Mapping), st.integers(*words.LIFETIMES))
def test_a_preset_can_be_changed_in_parts(name: str, mapping: Mapping, lifetime: int) -> None:
    changed = replace(PRESETS[name].profile, mapping=mapping, lifetime=lifetime)
    assert parse(f"{name}, lifetime={lifetime},mapping={mapping}") == changed


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("mapping=adm,filtering=eif,ports=random", Profile(ADM, EIF, Ports.RANDOM)),
        ("hairpin=on", Profile(hairpin=True)),
        ("home,hairpin=off", Profile()),
        ("symmetric,hairpin=on,lifetime=30", Profile(APDM, APDF, Ports.RANDOM, hairpin=True, lifetime=30)),
        (
            "cgnat,block=50000-50003,sessions=2",
            Profile(ports=Ports.BLOCK, lifetime=60, sessions=2, block=(50000, 50003)),
        ),
        ("udp=rejected,tcp=443-only,input=accept", Profile(udp=Udp.REJECTED, tcp=Tcp.ONLY_443, input=Input.ACCEPT)),
        ("mapping=APDM", Profile(APDM)),
    ],
)
def test_what_is_understood(text: str, profile: Profile) -> None:
    assert parse(text) == profile


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("", "nat", "it is empty; there are none, full_cone"),
        (" , ", "nat", "it is empty"),
        ("ful_cone", "nat", "there is no NAT 'ful_cone'; there are none, full_cone"),
        ("home,symmetric", "symmetric", "it is not a part of a NAT; there are mapping"),
        ("colour=red", "colour", "it is not a part of a NAT"),
        ("translates=off", "translates", "it is not a part of a NAT"),
        ("hairpin=on,home", "home", "it is not a part of a NAT"),
        ("ports=random,ports=block", "ports", "it is given twice"),
        ("mapping=cone", "mapping", "'cone' is none of eim, adm, apdm"),
        ("filtering=", "filtering", "'' is none of eif, adf, apdf"),
        ("ports=odd", "ports", "'odd' is none of preserve, random, sequential, block"),
        ("udp=no", "udp", "'no' is none of allow, blocked, rejected"),
        ("tcp=80-only", "tcp", "'80-only' is none of allow, 443-only"),
        ("input=reject", "input", "'reject' is none of drop, accept"),
        ("hairpin=yes", "hairpin", "'yes' is neither on nor off"),
        ("lifetime=1", "lifetime", "1 is not within 2 to 86400"),
        ("lifetime=86401", "lifetime", "86401 is not within 2 to 86400"),
        ("lifetime=-5", "lifetime", "'-5' is not a whole number"),
        ("lifetime=2.5", "lifetime", "'2.5' is not a whole number"),
        ("sessions=0", "sessions", "0 is not within 1 to 65535"),
        ("sessions=65536", "sessions", "65536 is not within 1 to 65535"),
        ("ports=block,block=40000", "block", "'40000' is not FIRST-LAST"),
        ("ports=block,block=5-6-7", "block", "'5-6-7' is not FIRST-LAST"),
        ("ports=block,block=1000-2000", "block", "1000-2000 is not a range of ports within 1024-65535"),
        ("ports=block,block=60000-70000", "block", "60000-70000 is not a range"),
        ("ports=block,block=5000-4000", "block", "5000-4000 is not a range"),
        ("block=5000-6000", "block", "only ports=block takes from a block, this NAT has ports=preserve"),
        ("none,hairpin=on", "translates", "a plain router has no hairpin"),
        ("none,sessions=5", "translates", "a plain router has no hairpin, session limit"),
        ("none,input=accept", "translates", "a plain router has no hairpin, session limit or input policy"),
    ],
)
def test_every_error_names_its_key(text: str, key: str, says: str) -> None:
    with pytest.raises(ProfileError) as error:
        parse(text)
    assert error.value.key == key
    assert str(error.value).startswith(f"{key}: ")
    assert says in str(error.value)


def test_it_stands_alone_in_a_router() -> None:
    """The routers have this one file of the package, and the standard library."""
    code = (
        "import runpy, sys; before = set(sys.modules); runpy.run_path(sys.argv[1]);"
        "print({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    isolated = [sys.executable, "-I", "-S", "-c", code, words.__file__]
    assert subprocess.run(isolated, capture_output=True, text=True, check=True).stdout.strip() == "set()"
