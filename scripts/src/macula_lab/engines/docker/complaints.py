"""What Docker and compose refuse, as LabErrors that name the key of the compose file and the remedy."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docker.errors import APIError, DockerException

from macula_lab.composefile.plan import NODE_IMAGE, ROUTER_IMAGE, Plan, repository
from macula_lab.errors import LabError

MOVE = "move it: LAB_NETWORK=10.77 (two octets) where the file has that variable, else another subnet in the file"

_PORT = re.compile(
    r":(\d+)(?: failed: port is already allocated|: bind: address already in use)|bind host port (?:for )?\S*?:(\d+)"
)
_DEVICE = re.compile(r'device information while adding custom device "([^"]+)"')
_SYSCTL = re.compile(r"/proc/sys/(net/[\w/.-]+)|sysctl key (net\.[\w.-]+)")
_OVERLAP = re.compile(r"Pool overlaps|overlaps with other one|conflicts with network|cannot create network .*overlap")


def of_start(service: str, told: str) -> LabError:
    """Why a container of a service did not start, from the engine's words."""
    key = f"services.{service}"
    if match := _PORT.search(told):
        remedy = "publish another one, or end what has it (ss -lntup shows who)"
        return LabError(f"{key}.ports: port {match[1] or match[2]} of this machine is busy", remedy, told)
    if match := _DEVICE.search(told):
        remedy = "modprobe tun" if match[1] == "/dev/net/tun" else "remove it from the file, or give it to this machine"
        return LabError(f"{key}.devices: this machine has no {match[1]}", remedy, told)
    if match := _SYSCTL.search(told):
        name = (match[1] or match[2]).replace("/", ".")
        return LabError(f"{key}.sysctls: this kernel has no {name}", "remove it from the file", told)
    if "Address already in use" in told or "address is already in use" in told:
        remedy = "give it another one; what a broken lab left goes by `macula-lab down`"
        return LabError(f"{key}.networks: its address is in use already", remedy, told)
    return LabError(f"{service} does not start", f"macula-lab logs {service}", told)


def of_making(told: str, plan: Plan, has_image: Callable[[str], bool]) -> LabError:
    """Why networks and containers could not be made, from the last words of who made them and what images there are."""
    if _OVERLAP.search(told):
        listed = ", ".join(f"{network.name} is {network.subnet}" for network in plan.networks.values())
        return LabError(f"networks: a subnet of {plan.name} overlaps one in use ({listed})", MOVE, told)
    built = {name for name, fields in plan.document.get("services", {}).items() if fields.get("build")}
    for name, service in plan.services.items():
        if name not in built and service.image and not has_image(service.image):
            ours = repository(service.image) in (NODE_IMAGE, ROUTER_IMAGE)
            remedy = "macula-lab build" if ours else f"docker pull {service.image}, or docker build -t {service.image}"
            return LabError(f"services.{name}.image: there is no image {service.image}", remedy, told)
    return LabError("the networks and containers could not be made", "mend the file, or: macula-lab down", told)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turn the engine's refusal within the block into a LabError that says what it could not do."""
    try:
        yield
    except APIError as error:
        raise LabError(f"the Docker engine could not {what}", evidence=str(error.explanation or error)) from error
    except DockerException as error:
        raise LabError(f"the Docker engine could not {what}", evidence=str(error)) from error
