"""Other versions of the node than that of this tree: `image: macula-node:REF`, where REF is a commit, tag or branch."""

import io
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from macula_lab.errors import LabError
from macula_lab.process import run
from macula_lab.workspace import ROOT, state_file

_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""What a tag of an image may be; a name with slashes is not, its commit is."""


@dataclass(frozen=True, slots=True)
class Version:
    """The node as it was at a commit."""

    commit: str
    """its first 12 digits"""
    folder: Path
    """what node/ was then"""

    @property
    def source(self) -> Path:
        """What goes first on the path of Python, so that `macula` is this version, and says so."""
        return self.folder / "src"


@cache
def of(ref: str) -> Version:
    """The node at a commit of this repository, written to the state directory once.

    Raises LabError, naming the ref, when there is no such commit, or git or the repository is missing.
    """
    if not _REF.fullmatch(ref):
        raise LabError(f"macula-node:{ref}: {ref!r} is no tag of an image", "name a commit by its digits")
    try:
        found = run(["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"])
    except LabError as error:
        step = "name a commit, tag or branch of this repository (git log --oneline); a shallow clone lacks older ones"
        raise LabError(f"macula-node:{ref}: {ROOT} has no commit {ref}", step) from error
    version = Version(found.strip()[:12], state_file(f"versions/{found.strip()[:12]}"))
    if not version.folder.exists():
        _export(version)
    return version


def _export(version: Version) -> None:
    """All at once or not at all: another lab may be looking for the same version."""
    made = version.folder.with_name(f"{version.commit}.new")
    shutil.rmtree(made, ignore_errors=True)
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", version.commit, "node"]
    packed = subprocess.run(archive, capture_output=True, check=True)  # noqa: S603 - the lab's own command
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        tar.extractall(made, filter="data")
    project = tomllib.loads((made / "node" / "pyproject.toml").read_text())["project"]
    _name(made / "node" / "src", project["name"], project["version"])
    _complete(made / "node" / "src", map(Requirement, project.get("dependencies", [])), version.commit)
    (made / "node").rename(version.folder)
    made.rmdir()


def _name(source: Path, name: str, version: str) -> None:
    """What importlib.metadata reads, where the version is not installed but found first."""
    folder = source / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def _complete(source: Path, needed: Iterable[Requirement], commit: str) -> None:
    """Add what the version depends on and this one does not, or in another version."""
    if missing := [str(requirement) for requirement in needed if not _is_there(requirement)]:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
            str(source),
        ]
        step = f"{commit} needs {', '.join(missing)}: see that pip can install it, then run this again"
        run([*pip, "--target", str(source), *missing], timeout=300, next_step=step)


def _is_there(requirement: Requirement) -> bool:
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
