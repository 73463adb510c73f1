"""`macula-probe` on this host: a server on loopback addresses, and a prober beside it that sees no NAT."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest
from macula.nat.stun import HEADER_BYTES, decode, encode, request

from macula_lab.probe import channel, switchboard
from macula_lab.probe.__main__ import main
from macula_lab.probe.answers import Places
from macula_lab.probe.endpoint import Endpoint, parse_endpoint
from macula_lab.probe.server import Server

FIRST, SECOND, STRANGER = "127.3.0.1", "127.3.0.2", "127.3.0.3"
INSIDE, NEIGHBOUR = "127.4.0.1", "127.4.0.2"
PORTS = (34_780, 34_790)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server with an outsider."""
    patch = pytest.MonkeyPatch()
    for module in (channel, switchboard):
        patch.setattr(module, "PORT", 34_443)
    patch.setattr("macula_lab.probe.measure.contact.PORT", 34_443)
    serving = Server(Places((FIRST, SECOND), PORTS), STRANGER)
    threading.Thread(target=serving.serve, daemon=True).start()
    yield f"{FIRST}:{PORTS[0]}"
    patch.undo()


def test_a_host_without_nat_is_seen_as_it_is(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    checks = "contact,mapping,filtering,neighbours,tcp,checksum,crowd"
    ends = ["--bind", INSIDE, "--neighbour", NEIGHBOUR, "--outsider", "--checks", checks]

    code = main(["classify", server, *ends, "--nat", "none", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["mismatches"] == []
    assert told["observed"] == {
        "udp": "allow",
        "tcp": "allow",
        "tcp_in": "refused",
        "translation": "no",
        "mapping": "eim",
        "ports": "preserve",
        "filtering": "eif",
        "neighbours": "apart",
        "checksum": "passed",
        "sockets": "more than 3",
    }
    assert told["evidence"]["server"]["other address and port"] == f"{SECOND}:{PORTS[1]}"


@pytest.mark.parametrize(("nat", "code"), [("none", 0), ("symmetric", 1)])
def test_without_a_list_the_checks_that_can_be_made_are(
    server: str, capsys: pytest.CaptureFixture[str], nat: str, code: int
) -> None:
    assert main(["classify", server, "--bind", INSIDE, "--nat", nat]) == code
    told = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert told == {"udp": "allow", "translation": "no", "mapping": "eim", "ports": "preserve", "filtering": "eif"}


def test_a_host_that_is_another_nat_is_told_with_exit_code_1(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["classify", server, "--bind", INSIDE, "--checks", "mapping,hairpin", "--nat", "symmetric"])

    told = capsys.readouterr().out.splitlines()
    assert code == 1
    assert "mapping      eim  WRONG, expected apdm" in told
    assert "hairpin      not seen  WRONG, expected off" in told


def test_without_an_outsider_what_one_host_can_see_is_seen(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", server, "--bind", INSIDE, "--checks", "contact,mapping,filtering,tcp", "--json"]) == 0

    observed = json.loads(capsys.readouterr().out)["observed"]
    assert (observed["mapping"], observed["filtering"]) == ("eim", "eif")


def test_a_server_that_is_not_there_is_udp_blocked(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", f"{STRANGER}:{PORTS[0]}", "--bind", INSIDE, "--checks", "contact", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["observed"] == {"udp": "blocked icmp 3/3"}


def test_stun_over_tcp(server: str) -> None:
    asked = request(b"abcdefghijkl")
    with socket.create_connection(parse_endpoint(server), timeout=5.0) as connection:
        connection.sendall(encode(asked))
        with connection.makefile("rb") as stream:
            header = stream.read(HEADER_BYTES)
            body = stream.read(int.from_bytes(header[2:4]))
        local = Endpoint(*connection.getsockname())

    assert decode(header + body).mapped == local


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["classify", "nowhere"], "SERVER: "),
        (["classify", "192.0.2.1:99999"], "SERVER: "),
        (["classify", "127.0.0.1", "--nat", "cone"], "--nat: nat: there is no NAT 'cone'"),
        (["classify", "127.0.0.1", "--route", "10.0.0.0/8"], "--route: '10.0.0.0/8' is not SUBNET=NEXT-HOP; write"),
        (["serve", "192.0.2.1", "192.0.2.2"], "udp 192.0.2.1:3478: it cannot be bound"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1

    told = capsys.readouterr().err
    assert told.startswith(f"macula-probe: {complaint}")
    assert told.count("\n") == 1


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["classify", "127.0.0.1", "--checks", "colour"])

    assert ended.value.code == 2
    assert "'colour' is not a valid Check; there are contact, mapping" in capsys.readouterr().err
