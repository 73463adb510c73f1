"""`Mesh.nat_info()` on real loopback sockets, and how it looks as plain values."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

import macula
from macula.api import _engine_settings
from macula.config import Settings
from macula.core.address import Address
from macula.nat.info import NatInfo, NatType
from macula.nat.profile import Filtering, Mapping, Ports, Profile, Udp
from macula.runtime.nat_report import nat_fields

REALM = "org.test"


def node(name: str, host: str, *bootstrap: str, **settings: Any) -> Any:
    return macula.connect(REALM, name, bootstrap, host=host, reconnect_interval=0.1, **settings)


async def test_two_observers_on_one_machine_tell_that_there_is_no_nat() -> None:
    async with (
        node("one", "127.0.0.1", mode="bootstrap") as one,
        node("two", "127.0.0.2", (await one.status())["listen"], mode="gateway") as two,
        node("edge", "127.0.0.3", (await one.status())["listen"]) as edge,
    ):
        async with asyncio.timeout(20):
            while len((info := await edge.nat_info())["observers"]) < 2:
                await edge.nat_info(refresh=True)
        status = await edge.status()

        places = {(await each.status())["listen"] for each in (one, two)}
        assert set(info["observers"]) == places
        assert (info["type"], info["translated"], info["hairpin"]) == ("none", False, None)
        assert (info["mapping"], info["filtering"], info["ports_preserved"]) == ("eim", "eif", True)
        assert f"{info['public_ip']}:{info['public_port']}" == status["listen"]
        assert status["nat"] == f"none, seen at {status['listen']}"


async def test_a_bootstrap_starts_without_its_second_port_where_that_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
        squatter.bind(("127.0.0.1", 0))
        taken = squatter.getsockname()[1]
        async with (
            node("one", "127.0.0.1", mode="bootstrap", stun_port=taken) as one,
            node("edge", "127.0.0.3", (await one.status())["listen"]) as edge,
        ):
            info = await edge.nat_info()
            assert (info["type"], info["observers"]) == ("none", [(await one.status())["listen"]])
            assert info["filtering"] is None


@pytest.mark.parametrize(
    ("mode", "reachable", "answers"), [("edge", "yes", False), ("gateway", "no", False), ("relay", "yes", True)]
)
def test_only_public_nodes_answer(mode: str, reachable: str, answers: bool, tmp_path: Path) -> None:
    settings = Settings(mode=mode, reachable=reachable, data_dir=tmp_path, stun_port=7, stun_host="192.0.2.9")
    nat = _engine_settings(settings, {}).nat

    assert (nat.answers, nat.measures) == (answers, True)
    assert (nat.other_port, nat.other_host) == (7, "192.0.2.9")


def test_bootstraps_are_asked_by_udp_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, bootstrap=("192.0.2.1:5", "wss://192.0.2.2"), relays=("192.0.2.3",))

    assert _engine_settings(settings, {}).nat.bootstraps == (Address("192.0.2.1", 5), Address("192.0.2.3", 9443))


def test_what_is_not_known_is_null() -> None:
    fields = nat_fields(NatInfo(), 100.0)

    assert fields.pop("type") == "unknown"
    assert fields.pop("observers") == []
    assert fields.pop("lifetime_s") == {"at_least": None, "below": None}
    assert set(fields.values()) == {None}


@pytest.mark.parametrize(
    ("info", "profile", "name", "summary"),
    [
        (NatInfo(), None, "", ""),
        (NatInfo(NatType.BLOCKED), Profile(udp=Udp.BLOCKED), "", "blocked"),
        (
            NatInfo(NatType.NONE, Address("192.0.2.1", 9), False),
            Profile(translates=False),
            "none",
            "none, seen at 192.0.2.1:9",
        ),
        (
            NatInfo(
                NatType.PORT_RESTRICTED,
                Address("192.0.2.1", 9),
                True,
                Mapping.ENDPOINT_INDEPENDENT,
                Filtering.ADDRESS_AND_PORT_DEPENDENT,
                Ports.PRESERVE,
                hairpin=True,
            ),
            Profile(hairpin=True),
            "port_restricted",
            "port_restricted, seen at 192.0.2.1:9",
        ),
    ],
)
def test_the_words_are_those_of_the_vocabulary(info: NatInfo, profile: Profile | None, name: str, summary: str) -> None:
    assert (info.profile, info.name, info.summary) == (profile, name, summary)
    assert info.facts.udp == (info.type is not NatType.BLOCKED)
