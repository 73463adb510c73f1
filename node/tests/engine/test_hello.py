"""What is said first, and what is refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from macula.core.record import Kind, sign_record
from macula.engine.hello import check_hello, check_realm, make_hello
from macula.errors import ProtocolError
from macula.identity.realms import ANY_REALM

from .playbook import REALM, WALL, hello, identity, node, peer_info


def test_a_good_hello_yields_the_verified_record() -> None:
    info = check_hello(node(1), hello(1), (REALM,), WALL)
    assert info == peer_info(1)


def test_own_hello_speaks_version_2_and_names_the_realms_of_the_record() -> None:
    ours = make_hello(peer_info(1, realms=("io.a", "io.b")))
    assert (ours.version_min, ours.version_max, ours.realms) == (2, 2, ("io.a", "io.b"))


@pytest.mark.parametrize(("least", "most"), [(0, 1), (3, 9), (3, 1)])
def test_no_common_version(least: int, most: int) -> None:
    refused(replace(hello(1), version_min=least, version_max=most), "no_common_version")


def test_a_later_version_that_still_speaks_ours_is_accepted() -> None:
    assert check_hello(node(1), replace(hello(1), version_min=1, version_max=7), (REALM,), WALL) == peer_info(1)


def test_no_common_realm_names_both_sides() -> None:
    error = refused(make_hello(peer_info(1, realms=("io.other",))), "no_common_realm")
    assert "io.other" in error.reason
    assert REALM in error.reason


def test_the_record_of_somebody_else_is_a_wrong_identity() -> None:
    refused(replace(hello(1), record=peer_info(2).record.encoded), "bad_identity")


def test_realms_must_be_those_that_were_signed() -> None:
    refused(replace(hello(1), realms=(REALM, "io.more")), "bad_message")


@pytest.mark.parametrize("age", [601.0, 100_000.0])
def test_an_expired_record_is_refused(age: float) -> None:
    refused(make_hello(peer_info(1, wall=WALL - age, ttl=300)), "expired")


def test_a_record_from_the_future_is_refused() -> None:
    refused(make_hello(peer_info(1, wall=WALL + 302)), "expired")


@pytest.mark.parametrize("skew", [-599.0, 299.0])
def test_clocks_may_differ_by_five_minutes(skew: float) -> None:
    info = peer_info(1, wall=WALL + skew, ttl=300)
    assert check_hello(node(1), make_hello(info), (REALM,), WALL) == info


def test_a_forged_record_is_refused() -> None:
    encoded = bytearray(peer_info(1).record.encoded)
    encoded[-1] ^= 1
    refused(replace(hello(1), record=bytes(encoded)), "bad_signature")


def test_a_record_of_another_kind_is_refused() -> None:
    record = sign_record(identity(1), REALM, Kind.RPC, "io.test.add", True, wall=WALL, ttl=300)
    refused(replace(hello(1), record=record.encoded), "bad_key")


def test_garbage_instead_of_a_record_is_refused() -> None:
    refused(replace(hello(1), record=b"\xc1garbage"), "bad_frame")


def test_a_frame_needs_its_realm_on_both_sides() -> None:
    check_realm("a", ("a",), ("a",))
    check_realm("a", (ANY_REALM,), ("a",))
    check_realm("a", ("a",), (ANY_REALM,))
    with pytest.raises(ProtocolError, match=r"wrong_realm.*its sender"):
        check_realm("a", ("b",), ("a",))
    with pytest.raises(ProtocolError, match=r"wrong_realm.*this node"):
        check_realm("b", ("b",), ("a",))


def refused(bad: object, code: str) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        check_hello(node(1), bad, (REALM,), WALL)  # type: ignore[arg-type]
    assert caught.value.code == code
    return caught.value
