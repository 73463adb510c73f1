"""macula ca"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macula.cli.output import reporting
from macula.errors import ArgumentError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A realm's own CA, for nodes in CA mode.")
CERTIFICATE, KEY = "ca.pem", "ca.key"
DAY = 86400.0

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help=f"Where {CERTIFICATE} and {KEY} are.")]
Days = Annotated[int, typer.Option(min=1, max=36500, help="How long it is valid.")]


@app.command()
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="What the CA calls itself.")] = "macula realm CA",
    days: Days = 3650,
) -> None:
    """Make a CA: a key that must stay where it is, and the certificate that every node gets as tls_ca."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from macula.identity.issuing import make_authority

    with reporting(False):
        key = Ed25519PrivateKey.generate()
        certificate = make_authority(name, key, time.time(), days * DAY)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / KEY, pem, 0o600)
        _write(folder / CERTIFICATE, certificate.public_bytes(Encoding.PEM), 0o644)
    typer.echo(f"{folder / CERTIFICATE}: for the setting tls_ca of every node\n{folder / KEY}: keep it secret")


@app.command()
def issue(
    folder: Folder,
    node: Annotated[str, typer.Argument(metavar="NODE_ID", help="As `macula id` prints it.")],
    host: Annotated[
        list[str] | None,
        typer.Option(help="A DNS name or IP address at which others are told to find the node; may be repeated."),
    ] = None,
    days: Days = 90,
) -> None:
    """Print a certificate over the key of a node, for its setting tls_certificate."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from macula.identity import NodeId
    from macula.identity.issuing import issue

    with reporting(False):
        authority, key = _load(folder)
        certificate = issue(authority, key, NodeId.parse(node), host or [], time.time(), days * DAY)
    typer.echo(certificate.public_bytes(Encoding.PEM).decode(), nl=False)


def _load(folder: Path) -> tuple[x509.Certificate, Ed25519PrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key((folder / KEY).read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    except OSError as error:
        reason = f"cannot read {error.filename}: {error.strerror}; `macula ca init {folder}` makes a CA"
        raise ArgumentError("FOLDER", reason) from error
    except ValueError as error:
        raise ArgumentError("FOLDER", f"{folder} holds no CA of `macula ca init`: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ArgumentError("FOLDER", f"the key in {folder / KEY} must be Ed25519")
    return certificate, key


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
    except FileExistsError as error:
        raise ArgumentError("FOLDER", f"{path} exists: a CA is not overwritten") from error
    except OSError as error:
        raise ArgumentError("FOLDER", f"cannot write {path}: {error.strerror}") from error
