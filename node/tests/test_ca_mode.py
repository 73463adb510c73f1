"""CA mode, as an operator sets it up: nodes of the realm work together, others get nowhere and are told why."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

import macula
from macula.errors import ConfigError, PeerUnreachable
from macula.identity import NodeId
from macula.identity.issuing import issue, make_authority
from macula.runtime.keystore import Keystore

REALM = "org.test"
ECHO = "org.test.echo"
DAY = 86400.0


class Ca:
    """A CA and the files of its nodes in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = Ed25519PrivateKey.generate()
        self.root = make_authority(REALM, self.key, time.time(), DAY)
        folder.mkdir()
        (folder / "ca.pem").write_bytes(self.root.public_bytes(Encoding.PEM))

    def node(self, name: str, *hosts: str) -> dict[str, Any]:
        """The settings of a node that this CA certifies."""
        data_dir = self.folder / name
        self.certify(Keystore(data_dir).load_or_create_identity().node_id, data_dir / "node.pem", *hosts)
        return {
            "host": "127.0.0.1",
            "tcp": False,
            "data_dir": data_dir,
            "tls_ca": self.folder / "ca.pem",
            "tls_certificate": "node.pem",
        }

    def certify(self, node: NodeId, file: Path, *hosts: str) -> None:
        certificate = issue(self.root, self.key, node, hosts, time.time(), DAY)
        file.write_bytes(certificate.public_bytes(Encoding.PEM))


async def test_nodes_of_a_realm_work_together_and_others_are_told_why_not(
    tmp_path: Path,
) -> None:
    ca, stranger = Ca(tmp_path / "ca"), Ca(tmp_path / "stranger")
    async with macula.connect(REALM, "first", mode="bootstrap", **ca.node("first", "localhost", "127.0.0.1")) as first:
        place = (await first.status())["listen"]
        port = place.rpartition(":")[2]
        assert (await first.status())["certificate_s"] > DAY / 2
        assert "macula_certificate_remaining_seconds " in (await first.metrics()).decode()
        for name, at in (("by-address", place), ("by-name", f"localhost:{port}")):
            async with macula.connect(REALM, name, [at], **ca.node(name)) as second:
                await second.advertise(ECHO, _echo)
                assert await first.call_to(second.node_id, ECHO, [1], timeout=5) == [1]

        for name, settings, code in (
            ("stranger", stranger.node("eve"), "unknown_ca"),
            ("without", {"host": "127.0.0.1", "tcp": False}, "no_chain"),
        ):
            with pytest.raises(PeerUnreachable, match=code):
                async with macula.connect(REALM, name, [place], join_timeout=2.0, **settings):
                    pass
        assert not await first.peers()


async def test_a_bootstrap_whose_certificate_has_another_name_is_not_joined(tmp_path: Path) -> None:
    ca = Ca(tmp_path / "ca")
    async with macula.connect(REALM, "first", mode="bootstrap", **ca.node("first", "gw.test")) as first:
        place = (await first.status())["listen"]
        with pytest.raises(PeerUnreachable, match=r"wrong_name: .* does not name 127\.0\.0\.1 but gw\.test"):
            async with macula.connect(REALM, "second", [place], join_timeout=2.0, **ca.node("second")):
                pass


async def test_half_a_configuration_is_refused(tmp_path: Path) -> None:
    settings = Ca(tmp_path / "ca").node("first")
    for missing in ("tls_ca", "tls_certificate"):
        with pytest.raises(ConfigError, match="must be given too") as caught:
            async with macula.connect(REALM, "first", **{k: v for k, v in settings.items() if k != missing}):
                pass
        assert caught.value.field == missing


async def _echo(args: Any) -> Any:
    return args
