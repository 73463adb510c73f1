"""CA mode: files that change are used, and files that are no use are not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding

from macula.identity import Identity
from macula.providers.quic.authority import CertificateFiles, Credentials
from macula.providers.quic.renewal import INTERVAL, Renewal
from macula.runtime.diagnosis import CERTIFICATE_SOON

from .test_authority import DAY, WALL, Realm


class Renewed:
    """A watched certificate, and what was made of it."""

    def __init__(self, folder: Path) -> None:
        self.realm, self.node = Realm(), Identity.generate()
        self.files = CertificateFiles(folder / "ca.pem", folder / "node.pem", self.node.node_id)
        self.files.bundle.write_bytes(self.realm.root.public_bytes(Encoding.PEM))
        self.wall = WALL
        self.used: list[Credentials] = []
        self.put(90)
        self.renewal = Renewal(self.files, self.used.append, lambda: self.wall)

    def put(self, days: float) -> None:
        """Replace the certificate, as certificate managers do."""
        new = self.files.certificate.with_suffix(".new")
        new.write_bytes(self.realm.certify(self.node, days=days).public_bytes(Encoding.PEM))
        new.replace(self.files.certificate)


@pytest_asyncio.fixture
async def renewed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Renewed]:
    monkeypatch.setattr(logging.getLogger("macula"), "propagate", True)
    caplog.set_level(logging.INFO, "macula")
    watching = Renewed(tmp_path)
    yield watching
    watching.renewal.close()


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    return [(record.getMessage(), record.levelno) for record in caplog.records]


async def test_a_certificate_that_was_replaced_is_used_once(renewed: Renewed) -> None:
    renewed.renewal.look()
    assert len(renewed.used) == 1
    renewed.put(30)
    renewed.renewal.look()
    renewed.renewal.look()
    assert renewed.renewal.expires == WALL + 30 * DAY
    assert [credentials.expires.timestamp() for credentials in renewed.used] == [WALL + 90 * DAY, WALL + 30 * DAY]


async def test_what_is_no_use_is_logged_and_the_old_one_stays(
    renewed: Renewed, caplog: pytest.LogCaptureFixture
) -> None:
    renewed.files.certificate.write_bytes(b"half a certifi")
    renewed.renewal.look()
    renewed.files.certificate.unlink()
    renewed.renewal.look()
    assert len(renewed.used) == 1
    assert renewed.renewal.expires == WALL + 90 * DAY
    assert logged(caplog) == 2 * [("certificate.not_used", logging.ERROR)]


async def test_an_end_that_is_near_is_a_warning(renewed: Renewed, caplog: pytest.LogCaptureFixture) -> None:
    renewed.put(CERTIFICATE_SOON / DAY - 1)
    renewed.renewal.look()
    assert logged(caplog)[-1] == ("certificate.used", logging.WARNING)


async def test_it_looks_again_by_itself_until_it_is_closed(renewed: Renewed) -> None:
    timer = renewed.renewal._timer
    assert timer is not None and 0 < timer.when() - asyncio.get_running_loop().time() <= INTERVAL
    renewed.renewal.close()
    assert timer.cancelled()
