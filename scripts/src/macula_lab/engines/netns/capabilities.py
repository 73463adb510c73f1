"""Which Linux capabilities a service has: what container engines give, less what it drops, and what it adds."""

from collections.abc import Sequence

from macula_lab.errors import LabError

# linux/capability.h, in the order of their numbers
NAMES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]

# Docker's documentation, "Runtime privilege and Linux capabilities"
BY_DEFAULT = frozenset(
    [
        "CHOWN",
        "DAC_OVERRIDE",
        "FSETID",
        "FOWNER",
        "MKNOD",
        "NET_RAW",
        "SETGID",
        "SETUID",
        "SETFCAP",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "SYS_CHROOT",
        "KILL",
        "AUDIT_WRITE",
    ]
)

OF_HELPERS = BY_DEFAULT | {"NET_ADMIN"}

_NOT_ADDED = frozenset({"SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "SYS_PTRACE"})
"""Those that reach beyond a network namespace: a container would fence them in, here they would be the host's."""


def granted(cap_drop: Sequence[str], cap_add: Sequence[str], key: str) -> frozenset[str]:
    """The capabilities of a service, as container engines count: ALL is all, an added one wins over a dropped one.

    `key` names the service in errors. Raises LabError for a name that does not exist, or cannot be added here.
    """
    dropped = {_normal(name, f"{key}.cap_drop") for name in cap_drop}
    added = {_normal(name, f"{key}.cap_add") for name in cap_add}
    if refused := sorted(added & ({"ALL"} | _NOT_ADDED)):
        cause = f"{key}.cap_add: {', '.join(refused)} would reach beyond the service's network namespace"
        raise LabError(cause, "leave it out, or use `--engine docker`")
    return (frozenset() if "ALL" in dropped else BY_DEFAULT - dropped) | added


def _normal(name: str, key: str) -> str:
    plain = name.upper().removeprefix("CAP_")
    if plain not in (*NAMES, "ALL"):
        raise LabError(f"{key}: there is no capability {name!r}", "see capabilities(7) for the names")
    return plain


def numbers(names: frozenset[str]) -> list[int]:
    """The kernel's numbers of capabilities."""
    return sorted(NAMES.index(name) for name in names)
