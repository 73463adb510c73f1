"""Removing what a project has in the engine: by its labels, so that no compose file and no variable is needed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from macula_lab.composefile.plan import ROUTER_IMAGE, repository
from macula_lab.engines.docker import labels
from macula_lab.engines.docker.complaints import doing

GRACE = 5
"""Seconds a container has for ending by itself."""

WORKERS = 8


def remove_project(client: DockerClient, project: str, show: Callable[[str], None]) -> None:
    """Remove a project's helpers, containers, networks and volumes, and nothing else; nothing to do is no error.

    Raises LabError naming what cannot be removed: a network that somebody else's container is in.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        containers = client.containers.list(
            all=True, filters=labels.selected({labels.PROJECT: project}), ignore_removed=True
        )
        # Nodes first, while what they say at the end can still leave.
        routers = [container for container in containers if is_router(container)]
        nodes = [container for container in containers if container not in routers]
        list(pool.map(remove_helper, helpers(client, project)))
        for wave in (nodes, routers):
            list(pool.map(lambda container: remove_container(container, show), wave))
        networks = client.networks.list(filters=labels.selected({labels.PROJECT: project}))
        for network in networks:
            show(f"removing the network {network.name}")
        list(pool.map(lambda network: remove_network(client, str(network.name)), networks))
    for volume in client.volumes.list(filters=labels.selected({labels.PROJECT: project})):
        with doing(f"remove the volume {volume.name}"):
            volume.remove()


def helpers(client: DockerClient, project: str, name: str = "") -> list[Container]:
    """The lab's own containers of a project, those of one name if it is given."""
    wanted = {labels.HELPER_OF: project} | ({labels.HELPER: name} if name else {})
    found: list[Container] = client.containers.list(all=True, filters=labels.selected(wanted), ignore_removed=True)
    return found


def is_router(container: Container) -> bool:
    """Whether a container runs our router image."""
    return repository(str(container.attrs["Config"]["Image"])) == ROUTER_IMAGE


def remove_helper(container: Container) -> None:
    """Remove a helper at once."""
    with doing(f"remove the helper {container.name}"):
        try:
            container.remove(force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:  # somebody else removes it already
                raise


def remove_container(container: Container, show: Callable[[str], None]) -> None:
    """Stop a container as its program likes it, then remove it with what has no other owner."""
    show(f"removing {container.name}")
    with doing(f"remove {container.name}"):
        try:
            if container.status == "paused":
                container.unpause()
            if container.status in ("running", "paused", "restarting"):
                container.stop(timeout=GRACE)
            container.remove(force=True, v=True)
        except NotFound:
            return


def remove_network(client: DockerClient, name: str) -> None:
    """Remove a network."""
    with doing(f"remove the network {name}"):
        try:
            client.api.remove_network(name)
        except NotFound:
            return
