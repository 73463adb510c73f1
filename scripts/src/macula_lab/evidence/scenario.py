"""What was run: the topology with every variable filled in, as plain values."""

from typing import Any

from macula_lab.engines.contract import Engine


def scenario(engine: Engine) -> dict[str, Any]:
    """The plan of a lab, with the values of the variables that its file uses."""
    plan = engine.plan
    return {
        "file": str(plan.file),
        "project": engine.project,
        "engine": engine.name,
        "variables": dict(plan.variables),
        "networks": {
            name: {"subnet": str(network.subnet), "gateway": str(network.gateway) if network.gateway else None}
            for name, network in plan.networks.items()
        },
        "services": {
            name: {
                "image": service.image,
                "role": service.role,
                "networks": {key: str(address) if address else None for key, address in service.networks.items()},
                "environment": dict(service.environment),
                "command": list(service.command) if service.command is not None else None,
                "cap_add": list(service.cap_add),
                "cap_drop": list(service.cap_drop),
                "sysctls": dict(service.sysctls),
            }
            for name, service in plan.services.items()
        },
    }
