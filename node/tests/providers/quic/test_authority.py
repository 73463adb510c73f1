"""CA mode: who has no chain to the realm's CA, valid now and naming the host, does not get in, whoever dialed."""

from __future__ import annotations

import datetime
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from macula.core.effects import Dial
from macula.core.events import PeerRefused
from macula.errors import ConfigError, IdentityError
from macula.identity import Identity
from macula.identity.issuing import issue, make_authority
from macula.providers.quic.authority import MAX_SHOWN, Authority, CertificateFiles, Credentials, check_chain
from macula.providers.quic.certificate import make_certificate, read_certificate
from macula.providers.quic.endpoint import Endpoint
from macula.wire import codes

from .network import Host, Network

WALL = 1_800_000_000.0
DAY = 86400.0
PrivateKey = Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Realm:
    """A CA of `macula ca`, and what it issues."""

    def __init__(self, name: str = "org.test") -> None:
        self.key = Ed25519PrivateKey.generate()
        self.root = make_authority(name, self.key, WALL, 3650 * DAY)

    def certify(self, who: Identity, *hosts: str, wall: float = WALL, days: float = 90) -> x509.Certificate:
        return issue(self.root, self.key, who.node_id, hosts, wall, days * DAY)

    def host(self, net: Network, seed: int, *hosts: str, days: float = 90) -> Host:
        """A host in CA mode that trusts this realm."""
        host = net.host(seed)
        return in_ca_mode(host, (self.certify(host.identity, *hosts, days=days),), (self.root,))


def in_ca_mode(host: Host, chain: tuple[x509.Certificate, ...], roots: tuple[x509.Certificate, ...]) -> Host:
    net = host.network
    authority = Authority(Credentials(chain, roots), lambda: WALL + net.now - 1000.0)
    host.endpoint = Endpoint(host.identity, random.Random(1), 7000 + host.id[0], net.settings, authority=authority)
    return host


def person(seed: int = 1) -> Identity:
    return Identity.from_random(random.Random(seed))


def by_hand(
    subject: str, issuer: str, key: PrivateKey, signer: PrivateKey, *extensions: x509.ExtensionType
) -> x509.Certificate:
    """A certificate as other tools make them."""
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    start = datetime.datetime.fromtimestamp(WALL - DAY, datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
    builder = builder.serial_number(5).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=9))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, None if isinstance(signer, Ed25519PrivateKey) else SHA256())


def check(shown: Sequence[x509.Certificate], realm: Realm, host: str = "", *, dialed: bool = True) -> str:
    """The code of the refusal, or ok."""
    try:
        check_chain(shown, [realm.root], WALL, dialed=dialed, host=host)
    except IdentityError as error:
        return error.code
    return "ok"


@pytest.mark.parametrize(
    ("hosts", "dialed", "code"),
    [
        ((), "", "ok"),
        (("gw.test",), "gw.test", "ok"),
        (("gw.test",), "GW.test", "ok"),
        (("*.realm.test",), "gw.realm.test", "ok"),
        (("*.realm.test",), "a.gw.realm.test", codes.WRONG_NAME),
        (("gw.test",), "gw2.test", codes.WRONG_NAME),
        (("10.0.2.1", "gw.test"), "10.0.2.1", "ok"),
        (("10.0.2.1", "gw.test"), "10.0.2.2", codes.WRONG_NAME),
        (("::1",), "0:0::1", "ok"),
        ((), "gw.test", codes.WRONG_NAME),
        (("gw.test",), "not a name", codes.WRONG_NAME),
    ],
)
def test_names(hosts: tuple[str, ...], dialed: str, code: str) -> None:
    realm = Realm()
    assert check([realm.certify(person(), *hosts)], realm, dialed) == code


def test_chains_that_lead_nowhere_and_dates() -> None:
    realm, other, me = Realm(), Realm(), person()
    own = make_certificate(me, 7)
    assert check([own], realm) == codes.NO_CHAIN
    assert check([own, realm.certify(me)], realm) == codes.NO_CHAIN, "the first one counts"
    assert check([other.certify(me)], realm) == codes.UNKNOWN_CA, "of another CA with the same name"
    assert check([other.certify(me), other.root], realm) == codes.UNKNOWN_CA
    assert check([realm.certify(me, days=0.5, wall=WALL - DAY)], realm) == codes.CERTIFICATE_EXPIRED
    assert check([realm.certify(me, wall=WALL + DAY)], realm) == codes.CERTIFICATE_EXPIRED
    assert check([realm.certify(me)] * (MAX_SHOWN + 1), realm) == codes.BAD_CERTIFICATE
    assert check([realm.certify(me), own], realm) == "ok"


def test_a_node_is_no_ca() -> None:
    realm, eve = Realm(), person(2)
    certificate = realm.certify(eve)
    forged = issue(certificate, eve.private_key, person(3).node_id, (), WALL, DAY)
    assert check([forged, certificate], realm) == codes.UNKNOWN_CA


@pytest.mark.parametrize("root", [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)])
def test_a_ca_by_other_tools_with_an_intermediate_one(root: PrivateKey) -> None:
    between, me = ec.generate_private_key(ec.SECP256R1()), person()
    is_ca = x509.BasicConstraints(ca=True, path_length=None)
    anchor = by_hand("root", "root", root, root, is_ca)
    link = by_hand("between", "root", between, root, is_ca)
    leaf = by_hand("me", "between", me.private_key, between)
    check_chain([leaf, link], [anchor], WALL, dialed=True, host="")
    with pytest.raises(IdentityError, match="does not lead to a CA"):
        check_chain([leaf], [anchor], WALL, dialed=True, host="")


def test_a_certificate_for_another_use_is_refused() -> None:
    realm, me = Realm(), person()

    def used_for(*uses: x509.ObjectIdentifier) -> list[x509.Certificate]:
        return [by_hand("me", "org.test", me.private_key, realm.key, x509.ExtendedKeyUsage(uses))]

    server, client = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
    assert check(used_for(server), realm) == check(used_for(client), realm, dialed=False) == "ok"
    assert check(used_for(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE), realm) == "ok"
    assert check(used_for(client), realm) == check(used_for(server), realm, dialed=False) == codes.BAD_CERTIFICATE
    assert check(used_for(ExtendedKeyUsageOID.EMAIL_PROTECTION), realm) == codes.BAD_CERTIFICATE


def test_the_run_of_a_node_is_told_by_the_last_certificate_over_its_key() -> None:
    realm, me = Realm(), person()
    certificate = realm.certify(me)
    assert read_certificate([certificate, make_certificate(me, 77)]) == (me.node_id, 77)
    assert read_certificate([certificate, realm.root]) == (me.node_id, certificate.serial_number)


def test_two_nodes_of_a_realm_connect_and_a_restart_is_noticed() -> None:
    net, realm = Network(), Realm()
    a, b = realm.host(net, 1), realm.host(net, 2, "10.0.2.1")
    a.do(Dial(1, (b.address,), None, 5.0, host="10.0.2.1"))
    net.run(1.0)
    assert [event.peer for event in a.connected] == [b.id] and [event.peer for event in b.connected] == [a.id]
    restarted = in_ca_mode(net.host(1), (realm.certify(a.identity),), (realm.root,))
    restarted.dial(b)
    net.run(1.0)
    assert restarted.connected and [event.peer for event in b.connected] == [a.id, a.id]


@pytest.mark.parametrize("outsider_dials", [True, False])
@pytest.mark.parametrize(
    ("kind", "code"), [("no", codes.NO_CHAIN), ("other", codes.UNKNOWN_CA), ("old", codes.CERTIFICATE_EXPIRED)]
)
def test_an_outsider_is_refused_by_its_code_whoever_dials(kind: str, code: str, outsider_dials: bool) -> None:
    net, realm = Network(), Realm()
    member = realm.host(net, 1)
    match kind:
        case "no":
            outsider = net.host(2)
        case "other":
            stranger = Realm("org.stranger")
            outsider = stranger.host(net, 2)
            outsider.endpoint.renew(Credentials((stranger.certify(outsider.identity),), (realm.root,)))
        case _:
            outsider = realm.host(net, 2, days=-0.001)
    if outsider_dials:
        outsider.dial(member)
        net.run(2.0)
        assert [event.code for event in outsider.lost] == [code]
    else:
        member.dial(outsider)
        net.run(2.0)
        (failed,) = member.failed
        assert f"{outsider.address}: {code}: " in failed.reason
    assert [event.code for event in member.of(PeerRefused)] == [code]
    assert not member.connected
    net.run(30.0)
    assert member.endpoint.connections == outsider.endpoint.connections == 0


def test_another_name_than_the_one_that_was_dialed_is_refused() -> None:
    net, realm = Network(), Realm()
    a, b = realm.host(net, 1), realm.host(net, 2, "gw.test")
    a.do(Dial(1, (b.address,), None, 5.0, host="other.test"))
    a.do(Dial(2, (b.address,), b.id, 5.0, host="10.0.2.1"))
    net.run(2.0)
    for failed, host in zip(a.failed, ("other.test", "10.0.2.1"), strict=True):
        assert f"wrong_name: the certificate CN={b.id.short} by CN=org.test does not name {host} but gw.test" in (
            failed.reason
        )
    a.do(Dial(3, (b.address,), b.id, 5.0))
    net.run(1.0)
    assert [event.peer for event in a.connected] == [b.id], "found in the mesh it is known by its key"


def test_a_certificate_over_another_key_proves_nothing() -> None:
    net, realm = Network(), Realm()
    member, thief, victim = realm.host(net, 1), net.host(2), person(3)
    stolen = in_ca_mode(thief, (realm.certify(victim),), (realm.root,))
    stolen.dial(member)
    net.run(2.0)
    assert [event.code for event in member.of(PeerRefused)] == ["transport_error"], "TLS asks for the key in it"
    # Behind its own certificate the chain of the victim counts as what it is: not over this key.
    own = make_certificate(thief.identity, 9)
    for configuration in (thief.endpoint._client, thief.endpoint._server):
        configuration.certificate, configuration.certificate_chain = own, [realm.certify(victim)]
    member.dial(thief)
    net.run(2.0)
    assert [event.code for event in member.of(PeerRefused)] == ["transport_error", codes.NO_CHAIN]


def test_renewed_credentials_are_shown_and_trusted_from_the_next_handshake_on() -> None:
    net, old, new = Network(), Realm("old"), Realm("new")
    a, b = old.host(net, 1), new.host(net, 2)
    a.dial(b)
    net.run(2.0)
    assert "unknown_ca" in a.failed[0].reason
    a.endpoint.renew(Credentials((new.certify(a.identity),), (new.root,)))
    a.dial(b)
    net.run(2.0)
    assert [event.peer for event in a.connected] == [b.id] and [event.peer for event in b.connected] == [a.id]


class TestFiles:
    def write(self, folder: Path, *, root: bytes, certificate: bytes) -> CertificateFiles:
        (folder / "ca.pem").write_bytes(root)
        (folder / "node.pem").write_bytes(certificate)
        return CertificateFiles(folder / "ca.pem", folder / "node.pem", person().node_id)

    def pem(self, *certificates: x509.Certificate) -> bytes:
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)

    def test_what_is_of_use_is_loaded(self, tmp_path: Path) -> None:
        realm, certificate = Realm(), Realm().root
        own = realm.certify(person(), days=9)
        files = self.write(tmp_path, root=self.pem(certificate, realm.root), certificate=self.pem(own))
        credentials = files.load(WALL)
        assert credentials == Credentials((own,), (certificate, realm.root))
        assert credentials.expires.timestamp() == WALL + 9 * DAY

    def test_what_others_would_refuse_is_refused_at_the_start(self, tmp_path: Path) -> None:
        realm = Realm()
        root = self.pem(realm.root)
        for certificate, reason in (
            (realm.certify(person(2)), "is over the key of"),
            (Realm().certify(person()), "does not lead to a CA"),
            (realm.certify(person(), days=0, wall=WALL - DAY), "is valid from"),
            (make_certificate(person(), 3), "no certificate of a CA was shown"),
        ):
            files = self.write(tmp_path, root=root, certificate=self.pem(certificate))
            with pytest.raises(ConfigError, match=reason) as caught:
                files.load(WALL)
            assert caught.value.field == "tls_certificate"

    def test_files_that_are_none_are_named(self, tmp_path: Path) -> None:
        realm = Realm()
        own = self.pem(realm.certify(person()))
        for files in (
            self.write(tmp_path, root=b"no pem", certificate=own),
            CertificateFiles(tmp_path / "none.pem", tmp_path / "node.pem", person().node_id),
        ):
            with pytest.raises(ConfigError, match=str(files.bundle)) as caught:
                files.load(WALL)
            assert caught.value.field == "tls_ca"
