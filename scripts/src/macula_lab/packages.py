"""The distribution's packages that the lab installs by itself where it may."""

import os
from pathlib import Path

from macula_lab.process import run, succeeds
from macula_lab.report import Reporter


def can_install() -> bool:
    """Whether the lab may install the distribution's packages: root on Debian or Ubuntu."""
    return os.geteuid() == 0 and Path("/etc/debian_version").exists()


def install(report: Reporter, package: str, otherwise: str = "") -> None:
    """Install a Debian package; `otherwise` names the one to take where the distribution does not have it.

    Raises LabError when apt-get fails.
    """
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    hint = "look at the package sources in /etc/apt, then run this again"
    with report.step("Reading the distribution's package lists (apt-get update)") as show:
        run(["apt-get", "update"], show=show, env=env, timeout=300, next_step=hint)
    if otherwise and not succeeds(["apt-cache", "show", "--no-all-versions", package]):
        package = otherwise
    with report.step(f"Installing the distribution's {package}") as show:
        command = ["apt-get", "install", "-y", "--no-install-recommends", package]
        run(command, show=show, env=env, timeout=600, next_step=hint)
