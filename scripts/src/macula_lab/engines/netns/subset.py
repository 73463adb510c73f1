"""What of a compose file network namespaces can honour; all else is refused by its name."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from macula_lab.composefile.plan import NODE_IMAGE, ROUTER_IMAGE, Plan, repository
from macula_lab.engines.netns.programs import rights_of
from macula_lab.errors import LabError

DOCKER = "use `--engine docker`"

Check = Callable[[Any], bool]


def require_honoured(plan: Plan) -> None:
    """Raise LabError naming each key of the plan's file that asks for what namespaces cannot do."""
    if refused := list(_refused(plan)):
        listed = "\n".join(f"  {reason}" for reason in refused)
        raise LabError(
            f"{plan.file.name}: the namespace engine cannot do this:\n{listed}", f"leave it out, or {DOCKER}"
        )
    for service in plan.services.values():
        rights_of(service)


def _refused(plan: Plan) -> Iterator[str]:
    document = plan.document
    for key, value in document.items():
        if key not in ("version", "services", "networks") and not key.startswith("x-") and value:
            yield f"{key}: is not honoured"
    for name, service in plan.services.items():
        if repository(service.image) not in (NODE_IMAGE, ROUTER_IMAGE):
            told = repr(service.image) if service.image else "missing"
            yield f"services.{name}.image: is {told}, only {NODE_IMAGE} and {ROUTER_IMAGE} run here"
    for name, fields in document.get("services", {}).items():
        yield from _unknown(fields, f"services.{name}", _SERVICE)
        for network, options in _items(fields.get("networks")):
            yield from _unknown(options, f"services.{name}.networks.{network}", _ATTACHMENT)
        for other, options in _items(fields.get("depends_on")):
            yield from _unknown(options, f"services.{name}.depends_on.{other}", _DEPENDENCY)
    for name, fields in (document.get("networks") or {}).items():
        yield from _unknown(fields, f"networks.{name}", _NETWORK)
        for option, value in _items((fields or {}).get("driver_opts")):
            if (option, str(value).lower()) not in _DRIVER_OPTS:
                yield f"networks.{name}.driver_opts.{option}: {value!r} is not honoured"
        ipam = (fields or {}).get("ipam")
        yield from _unknown(ipam, f"networks.{name}.ipam", _IPAM)
        for index, pool in enumerate((ipam or {}).get("config") or []):
            yield from _unknown(pool, f"networks.{name}.ipam.config[{index}]", _POOL)


def _unknown(fields: Any, key: str, known: Mapping[str, Check]) -> Iterator[str]:
    """The keys of a mapping that are not known, or whose value is not one that can be honoured."""
    for name, value in _items(fields):
        if name in known:
            if not known[name](value):
                yield f"{key}.{name}: {value!r} is not honoured"
        elif not name.startswith("x-") and value not in (None, [], {}, ""):
            yield f"{key}.{name}: is not honoured"


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _any(_value: Any) -> bool:
    return True


def _one_of(*values: Any) -> Check:
    return lambda value: value in values


def _all_of(*values: Any) -> Check:
    return lambda value: isinstance(value, list) and all(item in values for item in value)


def _is_net(value: Any) -> bool:
    names = [str(item).partition("=")[0] for item in value] if isinstance(value, list) else list(value or {})
    return all(name.startswith("net.") for name in names)


_TUN = "/dev/net/tun"

_SERVICE: Mapping[str, Check] = {
    "image": _any,
    "command": _any,
    "environment": _any,
    "env_file": _any,
    "labels": _any,
    "networks": _any,
    "depends_on": _any,
    "cap_add": _any,
    "cap_drop": _any,
    "expose": _any,  # says nothing that would have to be done
    "stop_grace_period": _any,  # who stops a service says how long it has
    "init": _one_of(True, False),  # ended children are waited for in any case
    "privileged": _one_of(False),
    "restart": _one_of("no"),
    "healthcheck": _one_of({"disable": True}),
    "sysctls": _is_net,
    "devices": _all_of(_TUN, f"{_TUN}:{_TUN}", f"{_TUN}:{_TUN}:rwm"),
    "security_opt": _all_of("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"),
}

_ATTACHMENT: Mapping[str, Check] = {"ipv4_address": _any}
_DEPENDENCY: Mapping[str, Check] = {"condition": _one_of("service_started"), "required": _one_of(True)}
_NETWORK: Mapping[str, Check] = {
    "driver": _one_of("bridge", "default", None),
    "driver_opts": _any,
    "ipam": _any,
    "internal": _one_of(True, False),  # nothing but its routers leads out of any network
    "attachable": _any,
    "enable_ipv6": _one_of(False),
    "labels": _any,
    "name": _any,
}
_IPAM: Mapping[str, Check] = {"driver": _one_of("default", None), "config": _any}
_POOL: Mapping[str, Check] = {"subnet": _any, "gateway": _any}

# The host has no address in a network and translates nothing: what our own files ask of Docker.
_DRIVER_OPTS = {
    ("com.docker.network.bridge.inhibit_ipv4", "true"),
    ("com.docker.network.bridge.enable_ip_masquerade", "false"),
}
