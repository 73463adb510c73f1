"""Commands for a person's shell: into a service's place, and its log."""

from collections.abc import Sequence

from macula_lab.composefile.plan import Service
from macula_lab.engines.netns import capabilities, programs
from macula_lab.engines.netns.project import Project


def command(project: Project, service: Service, pid: int, argv: Sequence[str]) -> list[str]:
    """What runs `argv` in the namespaces of a service's process, with its environment and its rights."""
    data = programs.data_of(project, service.name)
    rights = ["-all", *(f"+{capabilities.NAMES[number].lower()}" for number in programs.rights_of(service))]
    environment = [f"{name}={value}" for name, value in programs.environment_of(project, service).items()]
    return [
        *("nsenter", f"--target={pid}", "--net", "--mount", "--uts", f"--wd={data}", "--"),
        *("setpriv", f"--bounding-set={','.join(rights)}", f"--inh-caps={','.join(rights)}", "--ambient-caps=-all"),
        *("--no-new-privs", "--", "env", "-i", *environment),
        *programs.arguments(project, service.name, argv),
    ]


def logs_command(project: Project, services: Sequence[str], follow: bool) -> list[str]:
    """What shows services' logs, all of them when none is named."""
    names = services or sorted(folder.name for folder in project.services.glob("*"))
    files = [str(programs.log_of(project, name)) for name in names]
    return ["tail", "--lines=200", *(["--follow=name", "--retry"] if follow else []), "--", *files]
