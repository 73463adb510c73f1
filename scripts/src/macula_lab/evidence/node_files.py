"""What nodes write for engineers when they are told to: TLS secrets and qlog traces (settings key_log and qlog_dir)."""

import json
from pathlib import Path

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError

MOST_TRACES = 50
"""Traces of one node that are fetched, the newest."""


def fetch(engine: Engine, service: str, folder: Path) -> None:
    """Keep a node's settings, and the files that they say it writes. Raises LabError when the node does not tell."""
    told = _output(engine, service, ["macula", "settings", "--json"])
    (folder / f"{service}.settings.json").write_text(told)
    values = {row["name"]: row["value"] for row in json.loads(told)}
    if path := values.get("key_log"):
        (folder / f"{service}.keys.log").write_text(_output(engine, service, ["cat", path]))
    if path := values.get("qlog_dir"):
        names = _output(engine, service, ["ls", "-t", path]).split()
        (folder / f"{service}.qlog").mkdir(exist_ok=True)
        for name in names[:MOST_TRACES]:
            (folder / f"{service}.qlog" / Path(name).name).write_text(
                _output(engine, service, ["cat", f"{path}/{name}"])
            )


def _output(engine: Engine, service: str, argv: list[str]) -> str:
    finished = engine.execute(service, argv)
    if finished.code != 0:
        raise LabError(f"`{' '.join(argv)}` in {service} failed", evidence=finished.stderr)
    return finished.stdout
