"""What network namespaces need of this host: Linux, root, and a few of the distribution's programs."""

import os
import shutil
import sys

from macula_lab.errors import LabError
from macula_lab.packages import can_install, install
from macula_lab.report import Reporter

PACKAGES = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "tcpdump": "tcpdump",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}
"""The programs that the engine and the tools in its namespaces use, and the Debian packages that bring them."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing() -> list[str]:
    """The Debian packages of programs that are not there."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program, path=PATH) is None})


def require() -> None:
    """Raise LabError, saying what to do, unless this host can have namespaces with what belongs in them."""
    require_root()
    if packages := missing():
        wanted = [program for program, package in PACKAGES.items() if package in packages]
        hint = f"install {', '.join(packages)} (Debian, Ubuntu: apt-get install -y {' '.join(packages)})"
        raise LabError(f"the namespace engine needs the programs {', '.join(wanted)}", hint)


def require_root() -> None:
    """Raise LabError unless this process may make and remove namespaces."""
    if sys.platform != "linux":
        raise LabError("the namespace engine needs Linux", "use `--engine docker`")
    if os.geteuid() != 0:
        raise LabError("the namespace engine needs root", "run this with sudo, or use `--engine docker`")


def ensure(report: Reporter) -> None:
    """Install what is missing where the lab may: as root on Debian or Ubuntu. Raises LabError where it may not."""
    if can_install():
        for package in missing():
            install(report, package)
    require()
