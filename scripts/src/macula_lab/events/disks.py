"""Events of disks: a node's data directory becomes full or read-only, and well again."""

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError
from macula_lab.events import targets
from macula_lab.events.event import Event
from macula_lab.process import run

FOLDER = "MACULA_DATA_DIR"
"""The variable with the directory, in a node's environment."""

_READ_ONLY = """
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
"""

_FULL = """
full=$(mktemp -d)
mount -t tmpfs -o size=64k,mode=700 full "$full"
for file in "$1"/*; do
    # A socket is the same one in its new place; all else is copied.
    if [ -S "$file" ]; then
        touch "$full/${file##*/}"
        mount --bind "$file" "$full/${file##*/}"
    else
        cp -pr "$file" "$full"
    fi
done
chown --reference="$1" "$full"
dd if=/dev/zero of="$full/filler" bs=4k 2>/dev/null || true
mount --rbind "$full" "$1"
umount -l "$full"
rmdir "$full"
"""

_WELL = """
while umount -l "$1" 2>/dev/null; do :; done
"""
"""Lazily, which takes a mount away with those on it at once: one by one, the socket would be gone for a moment."""

STATES = {"full": _FULL, "read-only": _READ_ONLY, "well": _WELL}


def disk(engine: Engine, event: Event) -> list[str]:
    """The data directory becomes full or read-only for the node that runs, or what it was. It takes root."""
    service, (state,) = targets.service(engine, event.target), event.arguments
    if not service.is_node:
        raise LabError(f"{service.name} is no node of ours", "only these have a data directory")
    if state not in STATES:
        raise LabError(f"a disk cannot be {state!r}", f"choose one of: {targets.listed(STATES)}")
    targets.running(engine, service.name)
    folder = engine.execute(service.name, ["printenv", FOLDER]).stdout.strip()
    # The mounts are the service's own: no other process sees them, and they end with it.
    run(["nsenter", "--target", str(engine.process(service.name)), "--mount", "sh", "-ec", STATES[state], "sh", folder])
    return [f"{service.name}: {folder} is {state}"]
