"""Addresses as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macula.core.address import Address, Carrier
from macula.errors import ArgumentError

ports = st.integers(1, 65535)


@given(st.ip_addresses(), ports, st.sampled_from(Carrier))
def test_text_round_trip(host: object, port: int, carrier: Carrier) -> None:
    address = Address(str(host), port, carrier)
    assert Address.parse(str(address)) == address
    assert Address.parse_endpoint(str(address)) == address


@pytest.mark.parametrize(
    ("text", "host"),
    [("1.2.3.4:80", "1.2.3.4"), ("[::1]:80", "::1"), ("[2001:DB8:0:0::1]:80", "2001:db8::1")],
)
def test_the_host_is_canonical(text: str, host: str) -> None:
    assert Address.parse(text) == Address(host, 80)
    assert Address.parse(f"wss://{text}") == Address(host, 80).tunnel(80)
    assert str(Address(host, 80).tunnel(443)).startswith("wss://")


WRONG = [
    "",
    ":",
    ":80",
    "80",
    "1.2.3.4",
    "1.2.3.4:",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3.4:999999999999",
    "1.2.3.4:-1",
    "1.2.3.4:+1",
    "1.2.3.4: 80",
    "1.2.3.4:8_0",
    "1.2.3.4:٣",
    "1.2.3.4:80\n",
    "1.2.3:80",
    "1.2.3.256:80",
    "01.2.3.4:80",
    "::1:80",
    "[::1]",
    "[::1:80",
    "[1.2.3.4]:80",
    "[[::1]]:80",
    "[fe80::1%eth0]:80",
    "1.2.3.4%eth0:80",
    "a b:80",
    "-host:80",
    "host/:80",
    "wss://",
    "wss://1.2.3.4",
    "wss://wss://1.2.3.4:80",
    "WSS://1.2.3.4:80",
    "wss:1.2.3.4:80",
    "ws://1.2.3.4:80",
    "wss://1.2.3.4:80/",
]


@pytest.mark.parametrize("text", [*WRONG, "localhost:80", "bootstrap.example:80"])
def test_anything_but_a_literal_and_a_port_is_an_error(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"^address: "):
        Address.parse(text)


@pytest.mark.parametrize("text", WRONG)
def test_an_endpoint_is_a_literal_or_a_name_and_a_port(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"^address: "):
        Address.parse_endpoint(text)


@pytest.mark.parametrize("host", ["localhost", "bootstrap", "a-b_c.example", "x1", "1x.2"])
def test_a_configured_endpoint_may_have_a_name(host: str) -> None:
    assert Address.parse_endpoint(f"{host}:9443") == Address(host, 9443)
    assert Address.parse_endpoint(f"wss://{host}:443") == Address(host, 9443).tunnel(443)


@given(st.text(max_size=60) | st.from_regex(r"(wss://)?[0-9a-f.:\[\]%]{1,30}:[0-9]{1,6}", fullmatch=True))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (Address.parse, Address.parse_endpoint):
        try:
            address = parse(text)
        except ArgumentError:
            continue
        assert parse(str(address)) == address
