"""What a node remembers across restarts: its key, and which node answered at a configured address."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from macula.core.address import Address
from macula.errors import ArgumentError, ConfigError
from macula.identity import Identity, NodeId
from macula.identity.keys import SECRET_SIZE

IDENTITY_FILE = "identity.key"
PINS_FILE = "pins.json"
MAX_PINS_FILE = 1 << 20
MAX_KEY_FILE = 4096


class Keystore:
    """The files of a node in its data directory. Every method raises ConfigError, naming the file, if it cannot be
    used; both files are replaced as a whole, so a crash leaves the old or the new one."""

    def __init__(self, data_dir: Path, key: Path | None = None) -> None:
        """`key` holds the identity instead of a file in `data_dir`; it is read only."""
        self._dir = data_dir
        self._key = key
        self._identity = key or data_dir / IDENTITY_FILE
        self._pins = data_dir / PINS_FILE

    @property
    def folder(self) -> Path:
        """The data directory."""
        return self._dir

    def problem(self) -> str:
        """Why nothing could be written now, as far as that is seen without writing; empty if all is well."""
        try:
            room = os.statvfs(self._dir)
        except OSError as error:
            return error.strerror or str(error)
        if room.f_flag & os.ST_RDONLY:
            return os.strerror(errno.EROFS)
        if not os.access(self._dir, os.W_OK):
            return os.strerror(errno.EACCES)
        # One block for a file; where inodes are counted, one of these.
        full = not room.f_bavail or (room.f_files and not room.f_favail)
        return os.strerror(errno.ENOSPC) if full else ""

    def load_or_create_identity(self) -> Identity:
        """The identity of an earlier run, or a new one that is kept from now on."""
        return self.load_identity() or self._create_identity()

    def load_identity(self) -> Identity | None:
        """The identity that is kept, if there is one, in a file for its owner only: the 32 bytes of an Ed25519 seed as
        hex, or the key in PEM."""
        try:
            with self._identity.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read(MAX_KEY_FILE)
        except FileNotFoundError:
            if self._key is None:
                return None
            raise ConfigError("tls_key", f"there is no file {self._key}") from None
        except OSError as error:
            raise ConfigError("data_dir", f"cannot read {self._identity}: {error.strerror}") from error
        if mode & 0o077:
            raise ConfigError(
                "data_dir",
                f"{self._identity} is open to others (mode {mode:o}), so its key may be known to them: "
                f"chmod 600 {self._identity}, or remove it to get a new identity",
            )
        try:
            if text.startswith(b"-----"):
                return Identity(_seed_of(text))
            return Identity(bytes.fromhex(text.decode("ascii").strip()))
        except (ValueError, TypeError, ArgumentError, UnsupportedAlgorithm) as error:
            raise ConfigError(
                "data_dir",
                f"{self._identity} must hold {2 * SECRET_SIZE} hex digits, or an Ed25519 key in PEM that is not "
                f"encrypted, and does not: restore it, or remove it to "
                "get a new identity",
            ) from error

    def pins(self) -> dict[Address, NodeId]:
        """Which node must answer at each configured address that was reached before."""
        try:
            if self._pins.stat().st_size > MAX_PINS_FILE:
                raise ConfigError("data_dir", f"{self._pins} has more than {MAX_PINS_FILE} bytes")
            pins = json.loads(self._pins.read_text(encoding="utf-8"))
            return {Address.parse_endpoint(address): NodeId.parse(node) for address, node in pins.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError("data_dir", f"cannot read {self._pins}: {error.strerror}") from error
        except (ValueError, AttributeError, TypeError) as error:
            raise ConfigError(
                "data_dir",
                f"{self._pins} must be a JSON object of addresses and node ids ({error}): repair it, or remove it to "
                "accept whoever answers next",
            ) from error

    def pin(self, address: Address, node: NodeId) -> None:
        """From now on only this node is accepted at the address."""
        pins = self.pins()
        if pins.get(address) != node:
            self._write_pins({**pins, address: node})

    def forget(self, address: Address) -> NodeId | None:
        """Accept whoever answers next at the address. Returns who was pinned there."""
        pins = self.pins()
        node = pins.pop(address, None)
        if node is not None:
            self._write_pins(pins)
        return node

    def _create_identity(self) -> Identity:
        identity = Identity.generate()
        self._write(self._identity, identity.secret.hex() + "\n")
        return identity

    def _write_pins(self, pins: dict[Address, NodeId]) -> None:
        text = json.dumps({str(address): str(node) for address, node in sorted(pins.items())}, indent=2)
        self._write(self._pins, text + "\n")

    def _write(self, path: Path, text: str) -> None:
        """mkstemp makes files of mode 0600; the rename is atomic, the two fsyncs make it last."""
        try:
            self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._dir, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
                raise
            self._sync_directory()
        except OSError as error:
            raise ConfigError(
                "data_dir",
                f"cannot write {path}: {error.strerror}; {remedy(error.strerror or '')} (--data-dir, MACULA_DATA_DIR)",
            ) from error

    def _sync_directory(self) -> None:
        handle = os.open(self._dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remedy(reason: str) -> str:
    """What to do about a data directory in which nothing can be written, by the system's words for it."""
    first = {errno.ENOSPC: "free space there, or ", errno.EROFS: "mount it writable, or "}
    known = {os.strerror(number): words for number, words in first.items()}
    return f"{known.get(reason, '')}give a directory that the node may write"


def _seed_of(pem: bytes) -> bytes:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"the key is {type(key).__name__}")
    return key.private_bytes_raw()
