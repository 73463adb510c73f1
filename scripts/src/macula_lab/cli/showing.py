"""The answer of `up` and `ps`."""

import json
import sys

from rich.console import Console

from macula_lab import records
from macula_lab.mesh.mesh import Mesh
from macula_lab.mesh.models import Proof
from macula_lab.mesh.render import members_table, proof_lines, try_next


def show_lab(mesh: Mesh, proof: Proof | None, as_json: bool) -> None:
    """Print the hosts of a lab and, after `up`, what was proven and what to try next."""
    engine = mesh.engine
    members = mesh.members()
    if as_json:
        answer = {
            "topology": engine.plan.name,
            "project": engine.project,
            "engine": engine.name,
            "nodes": [member.model_dump(mode="json") for member in members],
            "proof": proof.model_dump(mode="json") if proof else None,
        }
        print(json.dumps(answer, indent=2))
        return
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    out.print(members_table(f"{engine.project} ({engine.name})", members))
    if proof is None:
        return
    out.print(proof_lines(proof))
    node = next((member for member in reversed(members) if member.status), None)
    if node and node.status:
        where = ["--project", engine.project] if len(records.every()) > 1 else []
        router = next((router.name for router in engine.plan.routers() if "WAN" in router.environment), "")
        out.print(try_next(where, node.service, node.status.realms[0], router))
