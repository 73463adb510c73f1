"""`macula ca`: a CA of one's own, and certificates that nodes take."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from macula.cli.main import app
from macula.identity import Identity
from macula.providers.quic.authority import CertificateFiles

NODE = Identity.generate().node_id


def run(*args: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["ca", *args])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_what_it_issues_is_taken_by_a_node_in_ca_mode(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    run("init", str(folder), "--name", "org.example")
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    certificate = tmp_path / "node.pem"
    certificate.write_text(run("issue", str(folder), str(NODE), "--host", "gw.example", "--host", "::1", "--days", "7"))
    credentials = CertificateFiles(folder / "ca.pem", certificate, NODE).load(time.time())
    assert credentials.chain[0].issuer.rfc4514_string() == "CN=org.example"
    assert abs(credentials.expires.timestamp() - time.time() - 7 * 86400) < 60


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"])
def test_a_folder_that_holds_no_ca_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.key").write_bytes(content)
    assert str(tmp_path) in run("issue", str(tmp_path), str(NODE), exit_code=2)


def test_a_ca_is_not_overwritten(tmp_path: Path) -> None:
    run("init", str(tmp_path))
    before = (tmp_path / "ca.key").read_bytes()
    assert "is not overwritten" in run("init", str(tmp_path), exit_code=2)
    assert (tmp_path / "ca.key").read_bytes() == before


@pytest.mark.parametrize("arguments", [("no-node-id",), (str(NODE), "--host", "a b"), (str(NODE), "--days", "0")])
def test_what_cannot_be_issued_is_said(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run("init", str(tmp_path))
    run("issue", str(tmp_path), *arguments, exit_code=2)
