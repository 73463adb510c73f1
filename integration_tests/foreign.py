"""Programs by others, from the distribution's packages: unpacked, so that nothing is installed or started."""

import os
import shutil
from contextlib import closing
from pathlib import Path
from sysconfig import get_config_var

import pytest

from macula_lab.engines.docker import daemon, images
from macula_lab.packages import can_install
from macula_lab.process import run, succeeds
from macula_lab.report import Reporter
from macula_lab.workspace import state_file

PACKAGES = ["stun-client", "coturn"]
"""`stun` knows NATs by RFC 3489, turnutils_natdiscovery by RFC 5780; turnserver is the STUN and TURN server."""

INSTALLED = Path("/var/lib/dpkg/status")
"""Where a Debian says what is installed in it."""

IMAGE = "macula-foreign"


def program(name: str, *argv: object) -> list[str]:
    """The command for one of the programs on this machine."""
    usr = unpacked(state_file("foreign/machine/root")) / "usr"
    libraries = usr / "lib" / str(get_config_var("MULTIARCH"))
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(usr / "bin" / name), *map(str, argv)]


def build_image() -> str:
    """An image with the programs, made from the lab's base image as anybody makes one; gives its name."""
    with closing(daemon.client()) as client:
        base = images.choose_base(os.environ, lambda name: images.is_present(client, name), lambda: False)
    installed = state_file("foreign/image/installed")
    installed.write_text(run(["docker", "run", "--rm", base, "cat", str(INSTALLED)]))
    context = unpacked(state_file("foreign/image/root"), installed)
    (context / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY usr/ /usr/\n")
    images.build_image(Reporter(), IMAGE, base, str(context / "Dockerfile"), context, [])
    return IMAGE


def unpacked(folder: Path, installed: Path = INSTALLED) -> Path:
    """The files of PACKAGES, and of what they need beyond the packages listed in `installed`, below a folder.

    Skips the test where they cannot be had: they come from the package sources of a Debian or Ubuntu.
    """
    if folder.exists():
        return folder
    if not can_install():
        pytest.skip("the foreign programs are Debian packages, which root on Debian or Ubuntu can fetch")
    archives, files = folder.with_name("archives"), folder.with_name("unpacking")
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    options = [f"Dir::Cache::archives={archives}", f"Dir::State::status={installed}", "Debug::NoLocking=1"]
    fetch = ["apt-get", "install", "--yes", "--download-only", "--reinstall", "--no-install-recommends"]
    fetch += [word for option in options for word in ("-o", option)] + PACKAGES
    if not succeeds(fetch, timeout=60):
        run(["apt-get", "update"], timeout=120)
        run(fetch, timeout=120)
    for archive in archives.glob("*.deb"):
        run(["dpkg-deb", "-x", str(archive), str(files)])
    shutil.rmtree(archives)
    files.rename(folder)
    return folder
