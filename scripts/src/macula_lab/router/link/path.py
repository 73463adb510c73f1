"""Leading one direction of an interface's IPv4 traffic through this process: a TAP device, and tc filters to it.

A filter on the interface redirects each frame to the TAP device, from which the shaper reads it. A frame that is
written back to the TAP device is redirected into the interface, where another filter lets it pass: outwards known by
the device that it came from; inwards, where the kernel forgets that, by MARK as its source address. So all this
happens below the routing and the NAT of the kernel, which do not know of it. ARP and IPv6 are left alone.
It takes NET_ADMIN and /dev/net/tun.
"""

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Any

from macula_lab.errors import LabError
from macula_lab.router import kernel

DEVICE = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
IFF_TUN_EXCL = 0x8000
FRAME_LIMIT = 65_535 + 18
IPV4 = b"\x08\x00"
"""the EtherType"""
BATCH = 64
"""frames that are read before those that are due get their turn again"""
QUEUE = 4_096
"""frames that may wait until this process reads them"""
MARK = bytes.fromhex("027368617065")
"""a locally administered address; who captures on the interface sees each frame that comes in twice, later with it"""

PASS, REDIRECT = 1, 2
"""preferences of the two filters of a direction"""
ALL = "u32 match u32 0 0"

KERNEL_LACKS = {
    "qdisc kind is unknown": ("NET_SCH_INGRESS", "sch_ingress"),
    "classifier not found": ("NET_CLS_U32", "cls_u32"),
    "load TC action module": ("NET_ACT_MIRRED", "act_mirred"),
}
"""what tc says: option and module of the kernel that are missing"""


class Direction(StrEnum):
    """Which way packets go through the uplink."""

    OUT = "out"
    """to the WAN"""
    IN = "in"

    @property
    def device(self) -> str:
        """The TAP device of this direction."""
        return f"shape-{self}"

    @property
    def hook(self) -> str:
        """Where tc finds the packets of this direction."""
        return "egress" if self is Direction.OUT else "ingress"


class Detour:
    """One direction of an interface led through this process. `close` ends it, and so does the end of the process."""

    def __init__(self, interface: str, direction: Direction) -> None:
        """Make the detour; the interface has a clsact qdisc already (`prepare`).

        Raises LabError, naming the capability, device or kernel option that is missing.
        """
        self._interface = interface
        self._direction = direction
        self._tap = open_tap(direction.device)
        self._marks = direction is Direction.IN
        try:
            self._lead()
        except LabError:
            self.close()
            raise

    def _lead(self) -> None:
        tap, hook = self._direction.device, self._direction.hook
        uplink = link(self._interface)
        # A frame for another address than that of its device is dropped, even when it is redirected afterwards.
        run(
            "ip",
            f"link set {tap} address {uplink['address']} mtu {uplink['mtu']} txqueuelen {QUEUE} addrgenmode none up",
        )
        passing = f"u32 match ether src {MARK.hex(':')}" if self._marks else f"{ALL} indev {tap}"
        run("tc", f"qdisc add dev {tap} clsact")
        run("tc", f"filter add dev {tap} ingress protocol ip {ALL} action mirred {hook} redirect dev {self._interface}")
        to_uplink = f"filter add dev {self._interface} {hook} protocol ip pref"
        run("tc", f"{to_uplink} {PASS} {passing} flowid 1:1")
        run("tc", f"{to_uplink} {REDIRECT} {ALL} action mirred egress redirect dev {tap}")

    def fileno(self) -> int:
        """What to wait on until there are frames to read."""
        return self._tap

    def frames(self) -> Iterator[bytes]:
        """The frames that came since, at most BATCH of them."""
        for _ in range(BATCH):
            try:
                frame = os.read(self._tap, FRAME_LIMIT)
            except BlockingIOError:
                return
            if frame[12:14] == IPV4:  # others are what the kernel itself says on a new device
                yield frame

    def send(self, frame: bytes) -> None:
        """Let a frame go on, past the detour."""
        os.write(self._tap, frame[:6] + MARK + frame[12:] if self._marks else frame)

    def stop(self) -> None:
        """Lead no more frames here. Those that were on the way can still be read, and all can still be sent."""
        self._forget(f"protocol ip pref {REDIRECT}")

    def close(self) -> None:
        """Remove the device and the filters; frames that were not read are gone."""
        os.close(self._tap)
        self._forget()

    def _forget(self, filters: str = "") -> None:
        with suppress(LabError):  # the interface may be gone, and its filters with it
            run("tc", f"filter del dev {self._interface} {self._direction.hook} {filters}")


def open_tap(name: str) -> int:
    """A new TAP device, as a file that does not block."""
    try:
        tap = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LabError(
            f"devices: {DEVICE} cannot be opened ({error.strerror}), and a link is shaped through it",
            f"give the service `devices: [{DEVICE}]`; on the host, load the module tun",
        ) from error
    try:
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL))
    except OSError as error:
        os.close(tap)
        if isinstance(error, PermissionError):
            raise missing_capability() from error
        raise LabError(
            f"link: the device {name} cannot be made ({error.strerror})", "macula-router link clear"
        ) from error
    return tap


def missing_capability() -> LabError:
    """The error of a router that may not change its interfaces."""
    return LabError(
        "cap_add: a link is shaped with NET_ADMIN, which is missing", "give the service `cap_add: [NET_ADMIN]`"
    )


def prepare(interface: str) -> None:
    """Give an interface the qdisc that filters hang on; whatever an earlier detour left on it is gone."""
    restore(interface)
    run("tc", f"qdisc add dev {interface} clsact")


def restore(interface: str) -> None:
    """Remove that qdisc with all its filters, if it is there."""
    if led(interface):
        run("tc", f"qdisc del dev {interface} clsact")


def led(interface: str) -> bool:
    """Whether an interface has a qdisc of ours: a detour, or what one left that was killed."""
    return any(qdisc["kind"] == "clsact" for qdisc in json.loads(run("tc", f"-json qdisc show dev {interface}")))


def missed(direction: Direction) -> int:
    """Frames that came faster than they were read, and were dropped."""
    dropped: int = link(direction.device)["stats64"]["tx"]["dropped"]
    return dropped


def link(interface: str) -> dict[str, Any]:
    """What `ip` tells about an interface."""
    found: list[dict[str, Any]] = json.loads(run("ip", f"-json -statistics link show dev {interface}"))
    return found[0]


def run(program: str, arguments: str) -> str:
    """Run ip or tc. Raises LabError that names what is missing or, where that is not known, says what it said."""
    try:
        return kernel.run(program, *arguments.split())
    except LabError as error:
        raise refusal(error) from error


def refusal(error: LabError) -> LabError:
    """Why the kernel refused a command, told by its evidence: what ip or tc wrote."""
    if "operation not permitted" in error.evidence.lower():
        return missing_capability()
    for words, (option, module) in KERNEL_LACKS.items():
        if words in error.evidence:
            return LabError(
                f"link: the kernel has no {module} (CONFIG_{option}), with which a link is shaped",
                f"on the host: modprobe {module}, or a kernel with that option",
            )
    return error
