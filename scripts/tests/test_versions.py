import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from macula_lab import process, versions, workspace
from macula_lab.errors import LabError

PYPROJECT = '[project]\nname = "macula-mesh"\nversion = "{}"\n'


def git(repository: Path, *argv: str) -> str:
    names = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    done = subprocess.run(["git", *names, "-C", repository, *argv], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with two versions of a node, of which the tree has the second."""
    package = tmp_path / "node" / "src" / "macula"
    package.mkdir(parents=True)
    git(tmp_path, "init", "--quiet")
    for version in ("1.0", "2.0"):
        (tmp_path / "node" / "pyproject.toml").write_text(PYPROJECT.format(version))
        (package / "__init__.py").write_text(f"VERSION = {version!r}\n")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", version)
    git(tmp_path, "tag", "v1", "HEAD~1")
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    monkeypatch.setattr(workspace, "STATE", tmp_path / ".lab")
    versions.of.cache_clear()
    return tmp_path


def test_what_python_finds_is_the_older_version_and_says_so(repository: Path) -> None:
    version = versions.of("v1")
    assert version.commit == git(repository, "rev-parse", "v1")[:12]
    ask = "import macula; from importlib.metadata import version; print(macula.VERSION, version('macula-mesh'))"
    told = subprocess.run(
        [sys.executable, "-c", ask], env={"PYTHONPATH": str(version.source)}, capture_output=True, text=True, check=True
    )
    assert told.stdout == "1.0 1.0\n"


def test_what_it_needs_and_this_version_does_not_is_installed_beside_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = ["pydantic>=2", "pydantic<2", "nothing-like-it>=1", "nothing-either; python_version<'3'"]
    (repository / "node" / "pyproject.toml").write_text(PYPROJECT.format("3.0") + f"dependencies = {needs}\n")
    git(repository, "commit", "--quiet", "-am", "3.0")
    commands: list[list[str]] = []

    def recorded(command: list[str], **options: Any) -> str:
        if "pip" not in command:
            return process.run(command, **options)
        commands.append(command)
        return ""

    monkeypatch.setattr(versions, "run", recorded)
    versions.of("HEAD")
    ((*_, target, first, second),) = commands
    assert (target.endswith(".new/node/src"), first, second) == (True, "pydantic<2", "nothing-like-it>=1")


def test_a_commit_is_written_once_whatever_it_is_called(repository: Path) -> None:
    first = versions.of("v1")
    (first.source / "mark").touch()
    assert versions.of(first.commit) == first
    assert (first.source / "mark").exists()


def test_what_was_left_half_made_is_made_anew(repository: Path) -> None:
    commit = git(repository, "rev-parse", "v1")[:12]
    left = repository / ".lab" / "versions" / f"{commit}.new" / "node"
    left.mkdir(parents=True)
    (left / "rubbish").touch()
    assert not (versions.of("v1").folder / "rubbish").exists()


@pytest.mark.parametrize(("ref", "told"), [("v9", "has no commit v9"), ("--all", "no tag of an image"), ("", "no tag")])
def test_a_ref_that_is_none_is_named(repository: Path, ref: str, told: str) -> None:
    with pytest.raises(LabError, match=told):
        versions.of(ref)


def test_where_there_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    versions.of.cache_clear()
    with pytest.raises(LabError, match="has no commit v1"):
        versions.of("v1")
