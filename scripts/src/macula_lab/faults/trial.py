"""One fault that happens once to a mesh under load."""

from macula_lab.engines.contract import Engine
from macula_lab.faults.faults import Fault
from macula_lab.faults.ground import Ground
from macula_lab.faults.load import load
from macula_lab.faults.outcome import Run
from macula_lab.mesh.mesh import Mesh


def strike(engine: Engine, fault: Fault) -> Run:
    """Load the mesh of a lab that is up, let the fault happen and be over, and account for everything.

    Raises LabError for what the lab itself cannot do.
    """
    mesh = Mesh(engine)
    with load(mesh) as running:
        measures = fault.strike(Ground(mesh, running))
        return Run(fault.name, tuple(measures), running.close(fault.codes))
