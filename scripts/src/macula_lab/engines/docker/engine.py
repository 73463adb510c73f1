"""Topologies in containers: compose makes them, the engine's own interface does the rest."""

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Address

from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network

from macula_lab.composefile.plan import Plan
from macula_lab.engines.contract import Finished, Host
from macula_lab.engines.docker import (
    command,
    complaints,
    containers,
    daemon,
    direct,
    execution,
    images,
    labels,
    order,
    removal,
    subnets,
)
from macula_lab.engines.docker import helper as helpers
from macula_lab.engines.docker.complaints import doing
from macula_lab.engines.docker.helper import ContainerHelper
from macula_lab.engines.docker.order import Condition
from macula_lab.errors import LabError
from macula_lab.process import ignore, run

COMPOSE_DEADLINE = 900.0
"""Seconds for making networks and containers; compose may have to get or build somebody's images for it."""


class DockerEngine:
    """Runs one topology in containers under one project name. See the contract for what its methods promise."""

    name = "docker"

    def __init__(self, plan: Plan, project: str) -> None:
        self.plan = plan
        self.project = project
        self._made = False

    @cached_property
    def _client(self) -> DockerClient:
        return daemon.client()

    @cached_property
    def _compose(self) -> list[str]:
        return [*command.require(), "-p", self.project, "-f", str(self.plan.file)]

    def start(self, services: Sequence[str] = (), show: Callable[[str], None] = ignore) -> None:
        """Let compose make what is missing, then start these services and what they depend on."""
        if not self._made:
            self._make(show)
            self._made = True
        needed = order.needs(self.plan.document)
        existing = self._containers()
        wanted = order.with_dependencies(services or needed, needed)
        made = {name: self._replicas(existing, name) for name in needed if name in wanted and name in existing}

        def start(service: str) -> None:
            for container in made[service]:
                if container.status == "created":
                    self._complete(service, container)
                if container.status != "running":
                    show(f"starting {service}")
                    self._start(service, container)

        order.start_in_order({name: needed[name] for name in made}, start, self._reached)

    def down(self, show: Callable[[str], None] = ignore) -> None:
        """Remove everything with the project's labels."""
        with doing(f"remove {self.project}"):
            removal.remove_project(self._client, self.project, show)
        self._made = False

    def outdated(self) -> list[str]:
        """The services that were made from other images than those of that name now."""
        with doing(f"compare the images of {self.project}"):
            return [
                service
                for service, container in self._containers().items()
                if container.attrs["Image"] != images.image_id(self._client, container.attrs["Config"]["Image"])
            ]

    def hosts(self) -> dict[str, Host]:
        """The services that have a container."""
        with doing(f"list the containers of {self.project}"):
            names = containers.names_in_file(self._networks())
            found = self._containers()
        return {name: containers.host(name, container.attrs, names) for name, container in found.items()}

    def execute(self, service: str, argv: Sequence[str], *, timeout: float = 60.0) -> Finished:
        """Run a command in a service's container to its end."""
        with doing(f"run `{' '.join(argv)}` in {service}"):
            return execution.run(self._client.api, self._id(service), argv, timeout)

    def stream(self, service: str, argv: Sequence[str]) -> Generator[str, None, Finished]:
        """The lines of a command in a service's container, as they come."""
        with doing(f"run `{' '.join(argv)}` in {service}"):
            return (yield from execution.lines(self._client.api, self._id(service), argv))

    def interactive(self, service: str, argv: Sequence[str], terminal: bool) -> list[str]:
        """`docker exec`."""
        return ["docker", "exec", *(["-it"] if terminal else []), self._id(service), *argv]

    def logs(self, service: str, tail: int | None = None) -> str:
        """What a service's container has written."""
        with doing(f"read the log of {service}"):
            return execution.text(self._container(service).logs(tail="all" if tail is None else tail))

    def logs_command(self, services: Sequence[str], follow: bool) -> list[str]:
        """`compose logs`, with the variables that the file needs."""
        variables = [f"{name}={value}" for name, value in self.plan.variables.items()]
        options = ["--tail=200", *(["-f"] if follow else []), *([] if sys.stdout.isatty() else ["--no-color"])]
        return ["env", *variables, *self._compose, "logs", *options, *services]

    def stop(self, service: str, grace: float = 5.0) -> None:
        """End a service's container by SIGTERM, after `grace` seconds by SIGKILL."""
        with doing(f"stop {service}"):
            self._container(service).stop(timeout=round(grace))

    def kill(self, service: str) -> None:
        """End a service's container by SIGKILL."""
        with doing(f"kill {service}"):
            self._container(service).kill()

    def restart(self, service: str) -> None:
        """Start a service's container that ended."""
        self._start(service, self._container(service))

    def pause(self, service: str) -> None:
        """Freeze a service's container."""
        with doing(f"pause {service}"):
            self._container(service).pause()

    def resume(self, service: str) -> None:
        """Let a frozen container go on."""
        with doing(f"resume {service}"):
            self._container(service).unpause()

    def detach(self, service: str, network: str) -> None:
        """Take a container out of a network."""
        with doing(f"detach {service} from {network}"):
            self._network(network).disconnect(self._container(service))

    def attach(self, service: str, network: str, address: IPv4Address | None = None) -> None:
        """Put a container into a network, with the address the file gives it there unless another one is named."""
        self._connect(service, self._container(service), network, address)

    def process(self, service: str) -> int:
        """The first process of a service's container, if the engine's processes are this host's."""
        with doing(f"look at {service}"):
            return int(self._container(service).attrs["State"]["Pid"])

    def helper(self, name: str, networks: Mapping[str, IPv4Address], *, gateway: bool = True) -> ContainerHelper:
        """A container of the lab's own in these networks."""
        found = {str(self._network(network).name): address for network, address in networks.items()}
        return helpers.in_networks(self._client, self.project, name, found, gateway)

    def beside(self, service: str, name: str) -> ContainerHelper:
        """A container of the lab's own in the network namespace of a service's container."""
        return helpers.beside(self._client, self.project, name, self._container(service))

    def kept(self, name: str) -> ContainerHelper | None:
        """A helper that an earlier command left running."""
        with doing(f"look for the helper {name}"):
            return helpers.kept(self._client, self.project, name)

    def _make(self, show: Callable[[str], None]) -> None:
        """Make the networks and containers that are not there yet, without compose where that is possible."""
        with doing("list its networks"):
            subnets.require_free(self._client, self.project, self.plan.networks.values())
        try:
            if direct.suffices(self.plan) and all(map(self._has_image, self._images())):
                direct.make(self._client, self.plan, self.project, show)
            else:
                argv = [*self._compose, "up", "--no-start", "--no-recreate", "--remove-orphans"]
                run(argv, show=show, env=self.plan.variables, timeout=COMPOSE_DEADLINE)
        except APIError as error:
            raise complaints.of_making(str(error.explanation or error), self.plan, self._has_image) from error
        except LabError as error:
            raise complaints.of_making(error.evidence, self.plan, self._has_image) from error

    def _images(self) -> set[str]:
        return {service.image for service in self.plan.services.values()}

    def _has_image(self, image: str) -> bool:
        return images.is_present(self._client, image)

    def _complete(self, service: str, container: Container) -> None:
        """Put a new container into its networks: compose 1.29 creates it in the first one alone."""
        if len(container.attrs["NetworkSettings"]["Networks"]) >= len(self.plan.services[service].networks):
            return
        names = containers.names_in_file(self._networks())
        present = {names.get(name, name) for name in container.attrs["NetworkSettings"]["Networks"]}
        for network in self.plan.services[service].networks.keys() - present:
            self._connect(service, container, network)

    def _connect(self, service: str, container: Container, network: str, address: IPv4Address | None = None) -> None:
        """Put a container into a network as the file says, or at another address."""
        wanted = address or self.plan.services[service].networks.get(network)
        asked = self.plan.document["services"][service].get("networks")
        options = (asked.get(network) if isinstance(asked, dict) else None) or {}
        with doing(f"attach {service} to {network} as {wanted or 'what is free'}"):
            self._client.api.connect_container_to_network(
                str(container.id),
                str(self._network(network).id),
                ipv4_address=str(wanted) if wanted else None,
                aliases=[service, *options.get("aliases", [])],
            )

    def _start(self, service: str, container: Container) -> None:
        try:
            container.start()
        except APIError as error:
            raise complaints.of_start(service, str(error.explanation or error)) from error

    def _reached(self, service: str, condition: Condition) -> bool:
        """Whether a service is healthy, or has completed. Raises LabError when it never will."""
        inspected = self._container(service).attrs["State"]
        if condition is Condition.COMPLETED:
            if inspected["Status"] == "exited" and inspected["ExitCode"] != 0:
                raise self._ended(service, inspected["ExitCode"])
            return bool(inspected["Status"] == "exited")
        health = (inspected.get("Health") or {}).get("Status")
        if inspected["Status"] == "exited":
            raise self._ended(service, inspected["ExitCode"])
        if health in (None, "unhealthy"):
            why = "has no healthcheck" if health is None else "is unhealthy"
            raise LabError(f"others wait for {service}, which {why}", f"macula-lab logs {service}")
        return bool(health == "healthy")

    def _ended(self, service: str, code: int) -> LabError:
        cause = f"others wait for {service}, which ended with exit code {code}"
        return LabError(cause, f"macula-lab logs {service}", self.logs(service, 20))

    def _containers(self, service: str = "") -> dict[str, Container]:
        wanted = {labels.PROJECT: self.project} | ({labels.SERVICE: service.partition(".")[0]} if service else {})
        with doing(f"list the containers of {self.project}"):
            found = self._client.containers.list(all=True, filters=labels.selected(wanted), ignore_removed=True)
        return containers.by_service(found)

    @staticmethod
    def _replicas(existing: Mapping[str, Container], service: str) -> list[Container]:
        return [found for name, found in existing.items() if name == service or name.startswith(f"{service}.")]

    def _container(self, service: str) -> Container:
        found = self._containers(service)
        if service not in found:
            known = ", ".join(self._containers()) or "none"
            cause = f"{self.project} has no container {service!r} (it has: {known})"
            raise LabError(cause, f"macula-lab up {self.plan.name}")
        return found[service]

    def _id(self, service: str) -> str:
        return str(self._container(service).id)

    def _networks(self) -> list[Network]:
        found: list[Network] = self._client.networks.list(filters=labels.selected({labels.PROJECT: self.project}))
        return found

    def _network(self, name: str) -> Network:
        """The engine's network for one of the file. Raises LabError when there is none."""
        with doing(f"list the networks of {self.project}"):
            for network in self._networks():
                if (network.attrs or {})["Labels"].get(labels.NETWORK) == name:
                    return network
        raise LabError(f"{self.project} has no network {name!r}", f"macula-lab up {self.plan.name}")
