"""Which labs are up, and what they were brought up with: later commands take the same without being told again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from macula_lab.workspace import state_file


@dataclass(frozen=True, slots=True)
class Record:
    """One lab that `up` began to make and `down` did not remove yet."""

    project: str
    file: Path
    engine: str
    """docker or netns"""
    environment: Mapping[str, str]
    """the variables that the file uses, with the values they had"""


def every() -> dict[str, Record]:
    """All of them by project, in the order of their names."""
    found = (load(path.stem) for path in sorted(_path("x").parent.glob("*.json")))
    return {record.project: record for record in found if record}


def load(project: str) -> Record | None:
    """The record of a project; None when it is not up."""
    try:
        told = json.loads(_path(project).read_text())
    except FileNotFoundError:
        return None
    return Record(told["project"], Path(told["file"]), told["engine"], told["environment"])


def save(record: Record) -> None:
    """Remember a lab. One that is killed while writing leaves the old record."""
    path = _path(record.project)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(record) | {"file": str(record.file)}, indent=2))
    new.replace(path)


def forget(project: str) -> None:
    """Forget a lab; one that is not known is no error."""
    _path(project).unlink(missing_ok=True)


def _path(project: str) -> Path:
    return state_file(f"up/{project}.json")
