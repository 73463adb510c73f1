"""Where things are in a checkout of the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout this package is installed from (it is installed editable)."""

STATE = ROOT / ".lab"
"""Git-ignored: the labs that are up, what happened in them, evidence, the daemon's log and pid."""

COMPOSE = ROOT / "compose"
NODE = ROOT / "node"
WHEELHOUSE = "wheelhouse"
"""Of a folder of the node, git-ignored: what its image is made from beside the source."""


def state_file(name: str) -> Path:
    """The path of a file in the state directory, whose folder is made if it is not there; `name` may have slashes."""
    path = STATE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def topologies() -> list[str]:
    """The names that `up` accepts: one per compose file."""
    return sorted(path.stem for path in COMPOSE.glob("*.yaml"))
