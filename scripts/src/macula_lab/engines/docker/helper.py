"""Helpers: containers of the router image that the lab starts beside those of a topology."""

import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath

from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container

from macula_lab.composefile.plan import ROUTER_IMAGE
from macula_lab.engines.contract import Finished
from macula_lab.engines.docker import execution, labels, removal
from macula_lab.engines.docker.complaints import doing
from macula_lab.errors import LabError

FOLDER = "/var/lib/macula-helper"


class ContainerHelper:
    """A container that does nothing but keep a place in which commands are run."""

    def __init__(self, client: DockerClient, container: Container, name: str) -> None:
        self._client = client
        self._container = container
        self._name = name

    @property
    def folder(self) -> str:
        """Where its commands run."""
        return FOLDER

    def execute(self, argv: Sequence[str], *, timeout: float = 30.0) -> Finished:
        """Run a command to its end. Raises LabError when it takes longer than `timeout` seconds."""
        with doing(f"run `{' '.join(argv)}` in the helper {self._name}"):
            return execution.run(self._client.api, self._id, argv, timeout)

    def spawn(self, argv: Sequence[str]) -> None:
        """Start a command that runs until `stop` or `remove`; what it writes is in `output` in the folder."""
        with doing(f"start `{' '.join(argv)}` in the helper {self._name}"):
            execution.spawn(self._client.api, self._id, argv)

    def stop(self) -> None:
        """End the spawned commands and what they started."""
        with doing(f"end what runs in the helper {self._name}"):
            execution.end_spawned(self._client.api, self._id)

    def fetch(self, path: str, to: Path) -> None:
        """Copy a file out of its folder. Raises LabError when it is not there."""
        path = str(PurePosixPath(FOLDER) / path)
        with doing(f"fetch {path} from the helper {self._name}"), tempfile.TemporaryFile() as archive:
            try:
                chunks, _ = self._container.get_archive(path)
            except NotFound:
                raise LabError(f"the helper {self._name} has no file {path}") from None
            for chunk in chunks:
                archive.write(chunk)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as tar:
                member = tar.extractfile(tar.next() or path)
                if member is None:
                    raise LabError(f"{path} in the helper {self._name} is no file")
                with member, to.open("wb") as copy:
                    while data := member.read(1 << 20):
                        copy.write(data)

    def remove(self) -> None:
        """End everything in it and forget it."""
        removal.remove_helper(self._container)

    @property
    def _id(self) -> str:
        return str(self._container.id)


def in_networks(
    client: DockerClient, project: str, name: str, networks: Mapping[str, IPv4Address], gateway: bool
) -> ContainerHelper:
    """A helper in networks (the engine's names of them) with these addresses; `gateway`: with their default route.

    Raises LabError naming an address that is taken.
    """
    first, *others = networks.items()
    container = _create(client, project, name, first[0], first[1])
    try:
        with doing(f"put the helper {name} into its networks"):
            for network, address in others:
                client.api.connect_container_to_network(str(container.id), network, ipv4_address=str(address))
        with doing(f"start the helper {name} as {', '.join(map(str, networks.values()))}"):
            container.start()
        helper = ContainerHelper(client, container, name)
        if not gateway:
            helper.execute(["ip", "route", "del", "default"])
    except BaseException:
        removal.remove_helper(container)
        raise
    return helper


def beside(client: DockerClient, project: str, name: str, container: Container) -> ContainerHelper:
    """A helper in the network namespace of a container that runs."""
    made = _create(client, project, name, f"container:{container.id}")
    try:
        with doing(f"start the helper {name}"):
            made.start()
    except BaseException:
        removal.remove_helper(made)
        raise
    return ContainerHelper(client, made, name)


def kept(client: DockerClient, project: str, name: str) -> ContainerHelper | None:
    """The helper of this name that runs, whoever made it; None when there is none."""
    found = removal.helpers(client, project, name)
    running = next((container for container in found if container.status == "running"), None)
    return ContainerHelper(client, running, name) if running else None


def _create(
    client: DockerClient, project: str, name: str, network: str, address: IPv4Address | None = None
) -> Container:
    api = client.api
    for left in removal.helpers(client, project, name):
        removal.remove_helper(left)
    endpoints = {network: api.create_endpoint_config(ipv4_address=str(address))} if address else {}
    with doing(f"make the helper {name}"):
        created = api.create_container(
            ROUTER_IMAGE,
            command=["sleep", "infinity"],
            labels={labels.HELPER_OF: project, labels.HELPER: name},
            working_dir=FOLDER,
            host_config=api.create_host_config(init=True, network_mode=network, cap_add=["NET_ADMIN", "NET_RAW"]),
            networking_config=api.create_networking_config(endpoints),  # type: ignore[arg-type]
        )
        return client.containers.get(created["Id"])
