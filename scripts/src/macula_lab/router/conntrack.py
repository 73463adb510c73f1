"""The kernel's connection table."""

import socket
import struct

from macula_lab.errors import LabError

NETLINK_NETFILTER = 12
NFNL_SUBSYS_CTNETLINK = 1
IPCTNL_MSG_CT_DELETE = 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2
_HEADER = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")


def forget() -> None:
    """Remove every connection of this network namespace (linux/netfilter/nfnetlink_conntrack.h). Raises LabError."""
    kind = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE
    # A deletion that names no tuple means all; the family IPv4 leaves what is not ours.
    family = struct.pack("=BBH", socket.AF_INET, 0, 0)
    message = _HEADER.pack(_HEADER.size + len(family), kind, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + family
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.send(message)
        answer = netlink.recv(4096)
    _length, kind, *_rest = _HEADER.unpack_from(answer)
    (code,) = _ERROR.unpack_from(answer, _HEADER.size)
    if kind != NLMSG_ERROR or code:
        raise LabError(f"conntrack: the kernel refused to forget its connections (error {-code})")
