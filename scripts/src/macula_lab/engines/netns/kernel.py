"""The Linux calls that Python's standard library has no name for. Each raises OSError as the kernel says."""

import ctypes
import os
import struct
from collections.abc import Iterable

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWNET = 0x4000_0000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x8_0000

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x2008_0522

_libc = ctypes.CDLL(None, use_errno=True)


def enter(path: str, kind: int) -> None:
    """Move the calling thread into the namespace that `path` stands for (setns(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(descriptor, kind), path)
    finally:
        os.close(descriptor)


def unshare(flags: int) -> None:
    """Give the calling process namespaces of its own (unshare(2))."""
    _check(_libc.unshare(flags))


def mount(source: str, target: str, kind: str = "", flags: int = 0) -> None:
    """mount(2)."""
    _check(_libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), None), target)


def die_with_parent(signal: int) -> None:
    """Have the calling process sent `signal` when the one that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def set_name(name: str) -> None:
    """The calling process's name in `ps -o comm`, cut to 15 bytes."""
    _check(_libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0))


def last_capability() -> int:
    """The number of the last capability that this kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap") as file:  # noqa: PTH123 - a forked child that becomes a service: keep it small
        return int(file.read())


def keep_capabilities(numbers: Iterable[int]) -> None:
    """Leave the calling process, and all that it will execute, these capabilities and no way to others."""
    kept = frozenset(numbers)
    for number in range(last_capability() + 1):
        if number not in kept:
            _prctl(_PR_CAPBSET_DROP, number)
    mask = sum(1 << number for number in kept)
    low, high = mask & 0xFFFF_FFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    # Inheritable too, as a container engine does: a program run by root has what is both inheritable or bounding.
    _check(_libc.capset(header, struct.pack("=6I", low, low, low, high, high, high)))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero))


def _check(result: int, name: str | None = None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
