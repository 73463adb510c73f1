from __future__ import annotations

import errno
import os
import random
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from macula.core.address import Address
from macula.errors import ConfigError
from macula.identity import Identity
from macula.runtime.keystore import MAX_PINS_FILE, Keystore

NODE = Identity.from_random(random.Random(3)).node_id
BOOTSTRAP = Address("172.21.0.10", 9443)


def test_restart_keeps_the_identity(tmp_path: Path) -> None:
    first = Keystore(tmp_path / "new" / "dir").load_or_create_identity()
    again = Keystore(tmp_path / "new" / "dir").load_or_create_identity()
    assert again.secret == first.secret


def test_the_key_is_its_owners_only_and_nothing_else_is_left(tmp_path: Path) -> None:
    Keystore(tmp_path / "data").load_or_create_identity()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["identity.key"]
    assert stat.S_IMODE((tmp_path / "data" / "identity.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    Keystore(tmp_path).load_or_create_identity()
    (tmp_path / "identity.key").chmod(0o640)
    with pytest.raises(ConfigError, match=re.escape(f"chmod 600 {tmp_path}/identity.key")):
        Keystore(tmp_path).load_or_create_identity()


@pytest.mark.parametrize("content", [b"", b"abc", b"zz" * 32, b"00" * 31, b"00" * 33, b"\xff" * 64])
def test_a_damaged_key_is_named_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "identity.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"identity\.key must hold 64 hex digits"):
        Keystore(tmp_path).load_or_create_identity()
    assert path.read_bytes() == content


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_key_by_other_tools_is_the_identity(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "tls.key"
    path.write_bytes(pem(key))
    path.chmod(0o600)
    identity = Keystore(tmp_path / "data", path).load_or_create_identity()
    assert identity.node_id == key.public_key().public_bytes_raw()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(ed25519.Ed25519PrivateKey.generate(), b"secret"),
        b"-----BEGIN PRIVATE KEY-----",
    ],
)
def test_a_key_of_no_use_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tls.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"tls\.key must hold .* an Ed25519 key in PEM"):
        Keystore(tmp_path, path).load_or_create_identity()


def test_a_key_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file") as caught:
        Keystore(tmp_path, tmp_path / "tls.key").load_or_create_identity()
    assert caught.value.field == "tls_key" and list(tmp_path.iterdir()) == []


def test_no_identity_is_made_by_looking(tmp_path: Path) -> None:
    assert Keystore(tmp_path).load_identity() is None
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file/data") as caught:
        Keystore(tmp_path / "file" / "data").load_or_create_identity()
    assert caught.value.field == "data_dir"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(ConfigError, match=r"cannot write.*No space left"):
        Keystore(tmp_path).load_or_create_identity()


def test_pins_are_kept_and_forgotten(tmp_path: Path) -> None:
    named = Address("bootstrap.example.org", 4433)
    Keystore(tmp_path).pin(BOOTSTRAP, NODE)
    Keystore(tmp_path).pin(named, NODE)
    assert Keystore(tmp_path).pins() == {BOOTSTRAP: NODE, named: NODE}
    assert Keystore(tmp_path).forget(BOOTSTRAP) == NODE
    assert Keystore(tmp_path).forget(BOOTSTRAP) is None
    assert Keystore(tmp_path).pins() == {named: NODE}


def test_a_pin_that_was_forgotten_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    running = Keystore(tmp_path)
    running.pin(BOOTSTRAP, NODE)
    Keystore(tmp_path).forget(BOOTSTRAP)
    running.pin(Address("172.21.0.20", 9443), NODE)
    assert BOOTSTRAP not in Keystore(tmp_path).pins()


@pytest.mark.parametrize(
    "content", ["", "[]", "3", '{"172.21.0.10": "x"}', '{"172.21.0.10:9443": 3}', '{"172.21.0.10:9443": "short"}']
)
def test_damaged_pins_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "pins.json").write_text(content)
    with pytest.raises(ConfigError, match=r"pins\.json must be"):
        Keystore(tmp_path).pins()


def test_pins_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "pins.json").write_text(" " * (MAX_PINS_FILE + 1))
    with pytest.raises(ConfigError, match="more than"):
        Keystore(tmp_path).pins()


def test_what_keeps_a_directory_from_being_written_is_seen_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keystore = Keystore(tmp_path)
    assert keystore.problem() == ""
    assert Keystore(tmp_path / "gone").problem() == os.strerror(errno.ENOENT)
    room = os.statvfs(tmp_path)

    def seen(**changes: int) -> str:
        names = [name for name in dir(room) if name.startswith("f_")]
        told = SimpleNamespace(**{name: getattr(room, name) for name in names} | changes)
        monkeypatch.setattr("os.statvfs", lambda path: told)
        return keystore.problem()

    assert seen(f_bavail=0) == seen(f_favail=0, f_files=9) == os.strerror(errno.ENOSPC)
    assert seen(f_favail=0, f_files=0) == "", "this file system does not count inodes"
    assert seen(f_flag=os.ST_RDONLY) == os.strerror(errno.EROFS)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert seen() == os.strerror(errno.EACCES)


def test_a_full_directory_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        ConfigError, match=f"cannot write {tmp_path}/identity.key: No space left.*; free space there, or"
    ):
        Keystore(tmp_path).load_or_create_identity()
    assert list(tmp_path.iterdir()) == [], "nothing half-written stays"
