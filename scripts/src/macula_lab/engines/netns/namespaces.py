"""Making, entering and removing network namespaces, and the processes in them."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from macula_lab.engines.netns import kernel
from macula_lab.engines.netns.project import path_of
from macula_lab.errors import LabError
from macula_lab.process import EVIDENCE_LINES

BATCH_TIMEOUT = 30.0
KILL_DEADLINE = 5.0

Result = TypeVar("Result")

# What a container has, whatever the host's own settings are, which new namespaces would take over for IPv4.
SYSCTLS = {
    "net.ipv4.conf.all.forwarding": "0",
    "net.ipv4.conf.default.forwarding": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv6.conf.all.disable_ipv6": "1",
    "net.ipv6.conf.default.disable_ipv6": "1",
}

BRIDGE_SYSCTLS = {
    **SYSCTLS,
    # Where the host has the module, the rules of its firewall would be asked about every frame.
    "net.bridge.bridge-nf-call-iptables": "0",
    "net.bridge.bridge-nf-call-arptables": "0",
}


def batch(lines: Iterable[str], namespace: str = "") -> None:
    """Let one `ip` carry out commands, in a namespace or the host's. Raises LabError with what it said."""
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return
    argv = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    try:
        done = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=BATCH_TIMEOUT, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"`{' '.join(argv)}` did not end within {BATCH_TIMEOUT:g} s", "macula-lab down, then again"
        ) from error
    if done.returncode != 0:
        said = "\n".join(done.stderr.splitlines()[-EVIDENCE_LINES:])
        raise LabError(f"`{' '.join(argv)}` failed", "macula-lab down, then again", f"{text}{said}")


def add(names: Sequence[str]) -> None:
    """Make namespaces."""
    batch(f"netns add {name}" for name in names)


def remove(names: Sequence[str]) -> None:
    """Remove namespaces with all that runs in them."""
    kill(names)
    batch(f"netns delete {name}" for name in names)


def inside(namespace: str, work: Callable[[], Result]) -> Result:
    """What `work` returns in a thread that has entered the namespace. Raises what it raises."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            kernel.enter(path_of(namespace), kernel.CLONE_NEWNET)
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            failure.append(error)

    thread = threading.Thread(target=run, name=f"in {namespace}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def configure(namespace: str, sysctls: Mapping[str, str], key: str = "") -> None:
    """Set `net.` sysctls in a namespace; `key` is where a file asks for them. Raises LabError naming the wrong one."""

    def write() -> None:
        for name, value in sysctls.items():
            file = Path("/proc/sys", *name.split("."))
            try:
                file.write_text(value)
            except FileNotFoundError:
                # The kernel may be without IPv6 or bridge filtering: then there is nothing to turn off.
                if key:
                    raise LabError(f"{key}.{name}: this kernel has no such setting", "leave it out") from None
            except OSError as error:
                cause = f"{key or 'sysctls'}.{name}: the kernel does not take {value!r}: {error.strerror}"
                raise LabError(cause, "mend the value") from error

    inside(namespace, write)


def processes(names: Iterable[str]) -> list[int]:
    """The processes in these namespaces."""
    wanted = {_identity(path_of(name)) for name in names} - {None}
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - hundreds, again and again
    return [pid for pid in pids if _identity(f"/proc/{pid}/ns/net") in wanted]


def _identity(path: str) -> tuple[int, int] | None:
    """What tells a namespace from all others; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return found.st_dev, found.st_ino


def kill(names: Sequence[str]) -> None:
    """Kill all processes in these namespaces and return when they are gone. Raises LabError when they do not go."""
    end = time.monotonic() + KILL_DEADLINE
    while alive := [pid for pid in processes(names) if state_of(pid) not in ("Z", "X")]:
        for pid in alive:
            send(pid, signal.SIGKILL)
        if time.monotonic() > end:
            raise LabError(f"processes {alive} in {', '.join(names)} do not end", "look at them with ps, then again")
        time.sleep(0.002)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def state_of(pid: int) -> str:
    """R, S, D, T, Z, ... as in /proc/PID/stat; X when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X"
    return stat.rpartition(")")[2].split()[0]


def dissolve(namespace: str) -> None:
    """End all that runs in a namespace and take its cables away before this returns. Raises LabError."""
    kill([namespace])
    cables = [name for _, name in inside(namespace, socket.if_nameindex) if name != "lo"]
    # Removing the namespace alone would leave its cables in place until the kernel gets round to it.
    batch((f"link delete {name}" for name in cables), namespace)
    batch([f"netns delete {namespace}"])
