"""CA mode: a certificate or a bundle that was replaced on disk is used without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from macula.errors import ConfigError
from macula.providers.quic.authority import CertificateFiles, Credentials
from macula.runtime.diagnosis import CERTIFICATE_SOON
from macula.runtime.logs import ROOT, log_event

INTERVAL = 30.0
"""Seconds between two looks at the files."""

_LOG = logging.getLogger(f"{ROOT}.certificate")


class Renewal:
    """Looks at the files every INTERVAL seconds until it is closed; they are small, and seldom read."""

    def __init__(
        self, files: CertificateFiles, use: Callable[[Credentials], None], clock: Callable[[], float] = time.time
    ) -> None:
        """What cannot be used is logged, and what was used before stays in use. `clock` tells Unix time."""
        self._files = files
        self._use = use
        self._clock = clock
        self.expires: float | None = None
        """Unix time at which what is in use ends; None before anything could be used."""
        self._seen: list[tuple[int, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.look()

    def look(self) -> None:
        """Read the files if they have changed."""
        self.close()
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self.look)
        stamps = self._stamps()
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            credentials = self._files.load(self._clock())
        except ConfigError as error:
            log_event(_LOG, logging.ERROR, "certificate.not_used", {"reason": error})
            return
        self._use(credentials)
        self.expires = credentials.expires.timestamp()
        _tell(credentials, self._clock())

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _stamps(self) -> list[tuple[int, int]]:
        stamps = []
        for file in (self._files.bundle, self._files.certificate):
            with contextlib.suppress(OSError):
                seen = file.stat()
                stamps.append((seen.st_mtime_ns, seen.st_ino))
        return stamps


def _tell(credentials: Credentials, wall: float) -> None:
    expires = credentials.expires
    level = logging.WARNING if expires.timestamp() - wall < CERTIFICATE_SOON else logging.INFO
    fields = {"issuer": credentials.chain[0].issuer.rfc4514_string(), "expires": expires.isoformat()}
    log_event(_LOG, level, "certificate.used", fields)
