"""A place of the lab's own in a namespace, in which its tools run. See the contract for what its methods promise."""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from macula_lab.engines.contract import Finished
from macula_lab.engines.netns import execution, namespaces, programs
from macula_lab.engines.netns.client import Supervisor
from macula_lab.engines.netns.project import Project
from macula_lab.errors import LabError

GRACE = 2.0
"""Seconds for a tool to end by itself."""


_SERVICE = "service"
"""The file with the name of the service beside which a helper is."""


class NamespaceHelper:
    """A helper in a namespace of its own, or in that of a service."""

    def __init__(self, project: Project, name: str, service: str = "") -> None:
        self._project = project
        self._supervisor = Supervisor(project)
        self._name = name
        self._service = service
        """whose namespace it is in"""
        self._namespace = project.of_service(service) if service else project.of_helper(name)

    def make_folder(self) -> None:
        """Keep it: another command may ask for it."""
        Path(self.folder).mkdir(parents=True)
        if self._service:
            (self._project.helpers / self._name / _SERVICE).write_text(self._service)

    @property
    def folder(self) -> str:
        """Where its tools start, and where their files are."""
        return str(programs.files_of(self._project, self._name))

    def execute(self, argv: Sequence[str], *, timeout: float = 30.0) -> Finished:
        """Run a command to its end."""
        program = programs.of_helper(self._project, self._name, self._namespace, argv)
        return execution.run(self._supervisor, program, "", timeout)

    def spawn(self, argv: Sequence[str]) -> None:
        """Start a command in the background. What it writes is in `output` in the folder."""
        output = f"{self.folder}/output"
        self._supervisor.start([programs.of_helper(self._project, self._name, self._namespace, argv, output)])

    def stop(self) -> None:
        """End what was spawned."""
        running = self._spawned()
        for name in running:
            self._signal(name, signal.SIGTERM)
        for name in running:
            if not self._supervisor.ended(name, GRACE):
                self._signal(name, signal.SIGKILL)
                self._supervisor.ended(name, GRACE)

    def fetch(self, path: str, to: Path) -> None:
        """Copy a file out of the folder."""
        try:
            shutil.copyfile(Path(self.folder) / path, to)
        except FileNotFoundError as error:
            raise LabError(f"the helper {self._name} has no file {path}") from error

    def remove(self) -> None:
        """End everything in it and forget it; its namespace too, if it has one of its own."""
        for name in self._spawned():
            self._signal(name, signal.SIGKILL)
            self._supervisor.ended(name, GRACE)
        if not self._service and self._namespace in self._project.namespaces():
            namespaces.dissolve(self._namespace)
        shutil.rmtree(self._project.helpers / self._name, ignore_errors=True)

    def _spawned(self) -> list[str]:
        return [name for name in self._supervisor.status() if name.startswith(f"helper:{self._name}!")]

    def _signal(self, name: str, number: signal.Signals) -> None:
        try:
            self._supervisor.signal(name, number)
        except LabError:
            return  # it has ended meanwhile


def kept(project: Project, name: str) -> NamespaceHelper | None:
    """The helper of that name that was made and not removed; None when there is none."""
    folder = project.helpers / name
    if not folder.is_dir():
        return None
    service = folder / _SERVICE
    return NamespaceHelper(project, name, service.read_text() if service.exists() else "")
