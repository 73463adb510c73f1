"""Where one project's things are: its folder, its namespaces, and the lock that lets one command change them."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from macula_lab.errors import LabError
from macula_lab.workspace import STATE

NAMESPACES = Path("/run/netns")
"""Where iproute2 keeps named namespaces (ip-netns(8))."""

PID_FILE = "supervisor.pid"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Project:
    """The places of one project. Raises LabError for a name that compose would not take either."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            hint = "use lower case letters, digits, - and _, beginning with a letter or digit"
            raise LabError(f"project: {self.name!r} is no name for a project", hint)

    @property
    def folder(self) -> Path:
        """All files of the project."""
        return STATE / "netns" / self.name

    @property
    def services(self) -> Path:
        """A folder for each service that exists."""
        return self.folder / "services"

    @property
    def helpers(self) -> Path:
        """A folder for each helper that exists."""
        return self.folder / "helpers"

    @property
    def fabric(self) -> str:
        """The namespace with a bridge for each network."""
        return f"{self._prefix}:fabric"

    def of_service(self, service: str) -> str:
        """A service's namespace."""
        return f"{self._prefix}.{service}"

    def of_helper(self, helper: str) -> str:
        """The namespace of a helper that has its own."""
        return f"{self._prefix}:helper.{helper}"

    def namespaces(self) -> list[str]:
        """Those namespaces of the project that exist."""
        # A project's name has neither of the two separators, so that no other project's namespaces match.
        beginnings = (f"{self._prefix}.", f"{self._prefix}:")
        return sorted(name for name in existing() if name.startswith(beginnings))

    @property
    def _prefix(self) -> str:
        return f"macula-lab.{self.name}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While the context lasts no other command changes the project; waits for one that does."""
        path = self.folder.with_name(f"{self.name}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with path.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # Who held it before may have removed it together with the project.
                if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                    try:
                        yield
                    finally:
                        if not self.folder.exists():
                            path.unlink(missing_ok=True)
                    return

    def remove_folder(self) -> None:
        """Remove all files of the project."""
        shutil.rmtree(self.folder, ignore_errors=True)


def existing() -> list[str]:
    """The named network namespaces of this host."""
    try:
        return os.listdir(NAMESPACES)  # noqa: PTH208 - names, not paths
    except FileNotFoundError:
        return []


def path_of(namespace: str) -> str:
    """The file that stands for a named namespace."""
    return str(NAMESPACES / namespace)
