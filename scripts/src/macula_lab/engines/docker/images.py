"""The images: which base they stand on, the wheels they are made from, and building them."""

import fcntl
import hashlib
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound

from macula_lab import versions
from macula_lab.composefile.plan import NODE_IMAGE, ROUTER_IMAGE
from macula_lab.engines.docker import daemon as engine
from macula_lab.engines.docker import labels
from macula_lab.errors import LabError
from macula_lab.packages import can_install
from macula_lab.process import run
from macula_lab.report import Reporter
from macula_lab.workspace import NODE, ROOT, WHEELHOUSE, state_file

REGISTRY_BASE = "python:3.12-slim-bookworm"
OWN_BASE = "macula-base"
MAKE_BASE = ROOT / "docker" / "base" / "make-base"

REGISTRY_DEADLINE = 10
"""Seconds an image registry has for saying that it has the base image."""


def build(report: Reporter, wanted: Collection[str], older: Collection[str] = ()) -> None:
    """Make our images, those that are wanted, and the node's of `older` commits that the engine does not have. With
    nothing changed the engine's layer cache makes this a second.

    Raises LabError with the builder's last lines.
    """
    with alone(), closing(engine.client()) as client:
        base = choose_base(
            os.environ,
            present=lambda image: is_present(client, image),
            registry_answers=lambda: registry_answers(report),
        )
        if base == OWN_BASE and not is_current(client):
            make_own_base(report)
        if ROUTER_IMAGE in wanted:
            build_image(report, ROUTER_IMAGE, base, "docker/router/Dockerfile", ROOT, [])
        if NODE_IMAGE in wanted:
            build_node(report, client, NODE_IMAGE, base, NODE, revision())
        for ref in older:
            image = f"{NODE_IMAGE}:{ref}"
            if not is_present(client, image):
                made = versions.of(ref)
                build_node(report, client, image, base, made.folder, made.commit)


def build_node(report: Reporter, client: docker.DockerClient, image: str, base: str, node: Path, commit: str) -> None:
    """Make the node's image from a folder of the node, as it was at a commit."""
    fill_wheelhouse(report, client, base, node)
    arguments = ["--build-arg", f"VERSION={version(node)}", "--build-arg", f"REVISION={commit}"]
    build_image(report, image, base, "docker/node/Dockerfile", node, arguments)


@contextmanager
def alone() -> Iterator[None]:
    """While it lasts nobody else builds images here: two would fill the wheelhouse at the same time."""
    with state_file("images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def choose_base(
    environ: Mapping[str, str], present: Callable[[str], bool], registry_answers: Callable[[], bool]
) -> str:
    """The base image: the setting BASE_IMAGE, else what the engine has already, else by whether a registry answers."""
    if setting := environ.get("BASE_IMAGE"):
        return setting
    for image in (REGISTRY_BASE, OWN_BASE):
        if present(image):
            return image
    return REGISTRY_BASE if registry_answers() else OWN_BASE


def is_present(client: docker.DockerClient, image: str) -> bool:
    """Whether the engine has an image."""
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def is_current(client: docker.DockerClient) -> bool:
    """Whether the engine has our own base image, as the script makes it today."""
    try:
        made_by = client.images.get(OWN_BASE).labels.get(labels.MADE_BY)
    except ImageNotFound:
        return False
    return bool(made_by == hashlib.sha256(MAKE_BASE.read_bytes()).hexdigest())


def registry_answers(report: Reporter) -> bool:
    """Whether the engine can get the base image from its registry, asked within REGISTRY_DEADLINE seconds."""
    with report.step(f"Asking the image registry for {REGISTRY_BASE}"):
        client = docker.from_env(timeout=REGISTRY_DEADLINE)
        try:
            client.images.get_registry_data(REGISTRY_BASE)
        except (DockerException, OSError):
            return False
        finally:
            client.close()
        return True


def make_own_base(report: Reporter) -> None:
    """Make the base image from the host's Debian packages. Raises LabError where that is not possible."""
    choice = f"make {REGISTRY_BASE} available to the engine, or name an image with Python >= 3.11 in BASE_IMAGE"
    if not can_install():
        raise LabError("no image registry answers, and making a base image needs root on Debian or Ubuntu", choice)
    with report.step("No image registry answers: making a base image from Debian packages") as show:
        run([str(MAKE_BASE), OWN_BASE], show=show, timeout=600, next_step=choice)


def fill_wheelhouse(report: Reporter, client: docker.DockerClient, base: str, node: Path) -> None:
    """Download the node's dependencies for the Python of the base image, unless its wheelhouse has them.

    A build inside a container may reach no package index, or not trust it, where this machine does. Where this machine
    runs another system than the containers its wheels would not fit: then the build asks the index itself.
    Raises LabError when the base has no Python of at least 3.11 or a download fails.
    """
    wanted = requirements(node / "pyproject.toml")
    wheelhouse = node / WHEELHOUSE
    stamp = wheelhouse / "made-for"
    if stamp.exists() and stamp.read_text() == key(image_id(client, base), wanted):
        return
    probe = "import platform, sys; print(platform.system(), platform.machine(), '%d.%d' % sys.version_info[:2])"
    hint = "name an image with Python >= 3.11 in BASE_IMAGE"
    with report.step(f"Looking at the base image {base}") as show:
        output = run(["docker", "run", "--rm", base, "python3", "-c", probe], show=show, timeout=600, next_step=hint)
    system, machine, python = output.split()[-3:]
    if tuple(int(part) for part in python.split(".")) < (3, 11):
        raise LabError(f"the base image {base} has Python {python}, the node needs 3.11 or later", hint)
    shutil.rmtree(wheelhouse, ignore_errors=True)
    wheelhouse.mkdir()
    if (system, machine) == (platform.system(), platform.machine()):
        with report.step(f"Downloading the node's dependencies for Python {python}") as show:
            pip = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--python-version", python]
            run([*pip, "--dest", str(wheelhouse), *wanted], show=show, timeout=600)
    stamp.write_text(key(image_id(client, base), wanted))


def key(image: str, wanted: list[str]) -> str:
    """What a wheelhouse is made for: a base image and a list of requirements."""
    return hashlib.sha256("\n".join([image, *wanted]).encode()).hexdigest()


def image_id(client: docker.DockerClient, image: str) -> str:
    """Which image a name means now; empty when the engine has none."""
    return str(client.images.get(image).id) if is_present(client, image) else ""


def requirements(pyproject: Path) -> list[str]:
    """What the node's image needs from the package index: its dependencies and what builds the package."""
    project = tomllib.loads(pyproject.read_text())
    return [*project["project"]["dependencies"], *project["build-system"]["requires"]]


def build_image(report: Reporter, tag: str, base: str, dockerfile: str, context: Path, arguments: list[str]) -> None:
    """Build one image on `base`. Raises LabError with the builder's last lines."""
    file = str(ROOT / dockerfile)
    command = ["docker", "build", "-t", tag, "-f", file, "--build-arg", f"BASE_IMAGE={base}", *arguments, str(context)]
    with report.step(f"Building the image {tag}") as show:
        run(command, show=show, timeout=900, next_step=f"mend {dockerfile} or what it copies, then run this again")


def version(node: Path) -> str:
    """The version of a folder of the node."""
    project = tomllib.loads((node / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def revision() -> str:
    """The commit the image is made from, with -dirty when the tree differs from it; "unknown" outside git."""
    try:
        return run(["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]).strip()
    except LabError:
        return "unknown"


def remove_all(client: docker.DockerClient) -> None:
    """Remove our images, the containers that use them and the networks of their compose projects."""
    older = [tag for image in client.images.list(NODE_IMAGE) for tag in image.tags if not tag.endswith(":latest")]
    ours = [image for image in (*older, NODE_IMAGE, ROUTER_IMAGE, OWN_BASE) if is_present(client, image)]
    projects = set()
    for image in ours:
        for container in client.containers.list(all=True, filters={"ancestor": image}):
            projects.add(container.labels.get(labels.PROJECT, ""))
            container.remove(force=True)
    for project in sorted(projects - {""}):
        client.networks.prune(filters={"label": f"{labels.PROJECT}={project}"})
    for image in ours:
        client.images.remove(image, force=True)
    client.images.prune(filters={"dangling": True, "label": labels.LAB})
