"""What a node writes down so that an engineer can look into its connections: their secrets, and qlog traces.

Nothing of it is kept in memory and no file is kept open: each write opens, appends and closes, so that what was
written is there to be read at any time, also after a crash. That costs time and is off unless asked for. All of it is
bounded, and a file that cannot be written is told once and costs no connection.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aioquic.quic.logger import QuicLogger, QuicLoggerTrace

from macula.errors import ConfigError
from macula.runtime.logs import ROOT, log_event

MAX_KEY_LOG = 16 << 20
"""Bytes of a key log, above which nothing is added to it: some 20,000 connections."""
MAX_QLOG = 64 << 20
"""Bytes of all traces that one run of a node writes: some 200,000 packets."""
MAX_TRACES = 1000
"""Connections that one run of a node traces: whoever makes us answer a handshake makes one."""

_LOG = logging.getLogger(f"{ROOT}.quic")
_RECORD_SEPARATOR = "\x1e"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where the connections of an endpoint write what; None is nowhere."""

    key_log: KeyLog | None = None
    qlog: QlogFolder | None = None


NO_DIAGNOSIS = Diagnosis()


class KeyLog:
    """A file of TLS secrets in the NSS format, with which Wireshark and others decrypt a capture
    (draft-ietf-tls-keylogfile). Lines are appended; a new file is for its owner only. Raises ConfigError if it cannot
    be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            append(path, "")
        except OSError as error:
            raise ConfigError("key_log", f"cannot write {path}: {error.strerror}") from error
        log_event(_LOG, logging.WARNING, "key_log.on", {"file": path, "note": "who reads it can decrypt everything"})

    def write(self, text: str) -> int:
        """As of a text file: append."""
        if self._stopped:
            return 0
        try:
            if append(self._path, text) <= MAX_KEY_LOG:
                return len(text)
            reason = f"it has more than {MAX_KEY_LOG} bytes"
        except OSError as error:
            reason = error.strerror or str(error)
        self._stopped = True
        log_event(_LOG, logging.WARNING, "key_log.stopped", {"file": self._path, "reason": reason})
        return 0

    def flush(self) -> None:
        """As of a text file; everything is written already."""


class QlogFolder(QuicLogger):
    """One trace of each connection, as `ID-client.sqlog` or `ID-server.sqlog` (qlog 0.3, JSON text sequences).

    ID is the connection id that the client chose first. Raises ConfigError if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._left = MAX_QLOG
        self._begun = 0
        self._stopped = False
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ConfigError("qlog_dir", f"cannot write to {folder}: {error.strerror}") from error

    def start_trace(self, is_client: bool, odcid: bytes) -> QuicLoggerTrace:
        """The trace of a new connection; aioquic asks for it."""
        self._begun += 1
        if self._begun > MAX_TRACES:
            self._stop(f"{MAX_TRACES} connections were traced")
        return QlogTrace(self, is_client=is_client, odcid=odcid)

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        """A connection is over; what it did is written already."""

    def write(self, name: str, records: list[dict[str, Any]]) -> None:
        """Append records to a trace."""
        if self._stopped:
            return
        text = "".join(f"{_RECORD_SEPARATOR}{json.dumps(record)}\n" for record in records)
        self._left -= len(text)
        try:
            append(self._folder / name, text)
        except OSError as error:
            self._stop(error.strerror or str(error))
        if self._left <= 0:
            self._stop(f"{MAX_QLOG} bytes were written")

    def _stop(self, reason: str) -> None:
        if not self._stopped:
            self._stopped = True
            log_event(_LOG, logging.WARNING, "qlog.stopped", {"folder": self._folder, "reason": reason})


class QlogTrace(QuicLoggerTrace):
    """What happens on one connection. `complete` must be called when a received packet has been read."""

    def __init__(self, folder: QlogFolder, *, is_client: bool, odcid: bytes) -> None:
        super().__init__(is_client=is_client, odcid=odcid)
        self._folder = folder
        self._name = f"{odcid.hex()}-{'client' if is_client else 'server'}.sqlog"
        trace = self.to_dict()
        common = {**trace["common_fields"], "protocol_type": ["QUIC"], "time_format": "absolute"}
        about = {"vantage_point": trace["vantage_point"], "common_fields": common}
        self._held: list[dict[str, Any]] = [
            {"qlog_format": "JSON-SEQ", "qlog_version": "0.3", "title": self._name, "trace": about}
        ]
        self.complete()

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        """Something happened; aioquic says so."""
        super().log_event(category=category, event=event, data=data)
        self._held += self._events
        self._events.clear()
        # The frames of a received packet are added to its event while they are read.
        if not any(held["name"] == "transport:packet_received" for held in self._held):
            self.complete()

    def complete(self) -> None:
        """Write what was held back."""
        held, self._held = self._held, []
        if held:
            self._folder.write(self._name, held)


def append(path: Path, text: str) -> int:
    """Append to a file, which is made for its owner only if it is not there. Its size afterwards. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = memoryview(text.encode())
        while data:
            data = data[os.write(descriptor, data) :]
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
