"""Commands of the kernel's networking: ip, nft and tc."""

import os
import subprocess
from pathlib import Path

from macula_lab.errors import LabError

NET_ADMIN = 12
"""the number of the capability (capabilities(7))"""
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
PACKAGES = {"ip": "iproute2", "nft": "nftables", "tc": "iproute2"}


def run(program: str, *arguments: str, text: str = "") -> str:
    """Run a program with `text` as its input. Gives what it writes; raises LabError with its complaint."""
    try:
        done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise LabError(f"{program}: there is no such program", f"install the package {PACKAGES[program]}") from error
    if done.returncode:
        complaint = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise LabError(f"{program} {' '.join(arguments)}: {complaint[0]}", evidence=done.stderr)
    return done.stdout


def nft(ruleset: str) -> None:
    """Make the changes of a ruleset, all of them or none."""
    run("nft", "-f", "-", text=ruleset)


def require_rights() -> None:
    """Raise LabError unless this process may change the network, and the kernel forwards."""
    if not _effective(os.getpid()) >> NET_ADMIN & 1:
        raise LabError("NET_ADMIN: the router may not change its network", "add cap_add: [NET_ADMIN] to the service")
    if FORWARDING.read_text().strip() != "1":
        raise LabError(
            "net.ipv4.ip_forward: it is not 1, so nothing is forwarded",
            'add sysctls: {net.ipv4.ip_forward: "1"} to the service',
        )


def _effective(process: int) -> int:
    """The effective capabilities of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
