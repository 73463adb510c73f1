"""What runs in the lab's namespaces: the services' own programs, and commands in their place."""

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from macula_lab import versions
from macula_lab.composefile.plan import NODE_IMAGE, ROUTER_IMAGE, Plan, Service, repository
from macula_lab.engines.netns import capabilities
from macula_lab.engines.netns.attachments import Attachment
from macula_lab.engines.netns.project import Project
from macula_lab.engines.netns.requirements import PATH
from macula_lab.engines.netns.supervisor.program import PRELOAD, PYTHON_PATH, Program

COMMANDS = {NODE_IMAGE: ("macula", "node"), ROUTER_IMAGE: ("macula-router", "serve")}
"""What the images run unless the file says otherwise; here the installed packages have it."""

IMAGE_DATA = "/var/lib/macula"
"""The node image's data directory. In a service's environment and commands it stands for the service's own folder."""

LOG = "log"
HOSTS = "hosts"


def main_command(service: Service) -> tuple[str, ...]:
    """The command that a service runs."""
    return tuple(service.command) if service.command is not None else COMMANDS[repository(service.image)]


def of_service(project: Project, service: Service) -> Program:
    """A service's main program."""
    return _program(project, service, service.name, main_command(service), log=str(log_of(project, service.name)))


def beside_service(project: Project, service: Service, argv: Sequence[str]) -> Program:
    """A command in a service's place, with the service's environment and rights. Libraries that are put before all
    others are the main program's alone."""
    program = _program(project, service, _unique(service.name), argv)
    return replace(program, environment={name: value for name, value in program.environment.items() if name != PRELOAD})


def of_helper(project: Project, helper: str, namespace: str, argv: Sequence[str], log: str = "") -> Program:
    """A command of a helper."""
    folder = str(files_of(project, helper))
    return Program(
        name=_unique(f"helper:{helper}"),
        namespace=namespace,
        hostname=helper,
        argv=argv,
        environment=_environment(folder, helper),
        capabilities=capabilities.numbers(capabilities.OF_HELPERS),
        folder=folder,
        hosts_file=str(project.folder / HOSTS),
        log=log,
    )


def files_of(project: Project, helper: str) -> Path:
    """The folder of a helper's own commands."""
    return project.helpers / helper / "files"


def folder_of(project: Project, service: str) -> Path:
    """A service's folder: its attachments, its log, and its data, which it keeps until `down`."""
    return project.services / service


def log_of(project: Project, service: str) -> Path:
    """The file with a service's output."""
    return folder_of(project, service) / LOG


def data_of(project: Project, service: str) -> Path:
    """The folder that a service finds as its own."""
    return folder_of(project, service) / "data"


def environment_of(project: Project, service: Service) -> dict[str, str]:
    """All of a service's environment: the image's, what the file says, and where its files are."""
    data = str(data_of(project, service.name))
    told = {name: value.replace(IMAGE_DATA, data) for name, value in service.environment.items()}
    if service.is_node:
        own = {"MACULA_DATA_DIR": data, "MACULA_CONTROL_SOCKET": f"{data}/control.sock"}
        if service.version:
            older = versions.of(service.version)
            own |= {PYTHON_PATH: str(older.source), "MACULA_COMMIT": older.commit}
    else:
        own = {"MACULA_ROUTER_STATE": f"{data}/router"}
    return {**_environment(data, service.name), **told, **own}


def arguments(project: Project, service: str, argv: Sequence[str]) -> list[str]:
    """A command line as it is to be run in a service's place."""
    return [argument.replace(IMAGE_DATA, str(data_of(project, service))) for argument in argv]


def rights_of(service: Service) -> list[int]:
    """The numbers of a service's capabilities. Raises LabError for names that do not exist."""
    key = f"services.{service.name}"
    return capabilities.numbers(capabilities.granted(service.cap_drop, service.cap_add, key))


def hosts_file(plan: Plan, attachments: Mapping[str, Sequence[Attachment]]) -> str:
    """What services find in /etc/hosts: the names that Docker's resolver would know."""
    listed = [f"{item.address}\t{name}" for name in plan.services if name in attachments for item in attachments[name]]
    return "\n".join(["127.0.0.1\tlocalhost", *listed, ""])


def _program(project: Project, service: Service, name: str, argv: Sequence[str], log: str = "") -> Program:
    return Program(
        name=name,
        namespace=project.of_service(service.name),
        hostname=service.name,
        argv=arguments(project, service.name, argv),
        environment=environment_of(project, service),
        capabilities=rights_of(service),
        folder=str(data_of(project, service.name)),
        hosts_file=str(project.folder / HOSTS),
        log=log,
        service=bool(log),
    )


def _environment(folder: str, host: str) -> dict[str, str]:
    """What every program here finds, as it would in a container."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{PATH}",
        "HOME": folder,
        "HOSTNAME": host,
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


def _unique(name: str) -> str:
    return f"{name}!{os.getpid()}-{secrets.token_hex(4)}"
