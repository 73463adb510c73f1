"""The kinds of NAT, in the words of RFC 4787, with the familiar names as presets. Lab and node share these words.

Standard library only and nothing else of this package: the lab's routers carry this file alone.
"""

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Mapping(StrEnum):
    """Which packets of one inside socket leave from the same outside port (RFC 4787, section 4.1)."""

    ENDPOINT_INDEPENDENT = "eim"
    """all of them"""
    ADDRESS_DEPENDENT = "adm"
    """those to the same address"""
    ADDRESS_AND_PORT_DEPENDENT = "apdm"
    """those to the same address and port"""


class Filtering(StrEnum):
    """Whose packets come in through a mapping that exists (RFC 4787, section 5)."""

    ENDPOINT_INDEPENDENT = "eif"
    """everybody's"""
    ADDRESS_DEPENDENT = "adf"
    """those from addresses that the mapping has sent to"""
    ADDRESS_AND_PORT_DEPENDENT = "apdf"
    """those from the address and port that the mapping has sent to"""


class Ports(StrEnum):
    """How the outside port of a new mapping is chosen (RFC 4787, section 4.2)."""

    PRESERVE = "preserve"
    """the inside port where it is free, else a random one; so a second mapping of one socket is random"""
    RANDOM = "random"
    SEQUENTIAL = "sequential"
    """the next one up"""
    BLOCK = "block"
    """a random one of the subscriber's block of ports (RFC 6888, section 4)"""


class Udp(StrEnum):
    """What happens to UDP from inside."""

    ALLOW = "allow"
    BLOCKED = "blocked"
    """dropped without a word"""
    REJECTED = "rejected"
    """answered by ICMP administratively prohibited"""


class Tcp(StrEnum):
    """What happens to TCP from inside."""

    ALLOW = "allow"
    ONLY_443 = "443-only"


class Input(StrEnum):
    """What the router itself does with unsolicited UDP to its outside address."""

    DROP = "drop"
    ACCEPT = "accept"
    """A common quirk: the packet leaves an entry in the connection table that takes the port from a later flow of a
    host inside, so that a peer who probes first spoils the hole that is to be punched."""


PORT_BLOCK = (40000, 40063)
LIFETIMES = (2, 86_400)
SESSIONS = (1, 65_535)


class ProfileError(ValueError):
    """A NAT that does not exist; `key` names the word or part that is wrong."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key


@dataclass(frozen=True, slots=True)
class Profile:
    """One NAT. Raises ProfileError for parts that contradict each other or are out of range."""

    mapping: Mapping = Mapping.ENDPOINT_INDEPENDENT
    filtering: Filtering = Filtering.ADDRESS_AND_PORT_DEPENDENT
    ports: Ports = Ports.PRESERVE
    hairpin: bool = False
    """whether hosts inside reach each other by their outside addresses (RFC 4787, section 6)"""
    lifetime: int = 120
    """seconds that a UDP mapping lives after the last packet from inside"""
    sessions: int | None = None
    """most flows of one inside address at a time; None is no limit"""
    block: tuple[int, int] = PORT_BLOCK
    """first and last port that `ports=block` takes from"""
    udp: Udp = Udp.ALLOW
    tcp: Tcp = Tcp.ALLOW
    input: Input = Input.DROP
    translates: bool = True
    """False: a plain router, that translates, filters and forgets nothing"""

    def __post_init__(self) -> None:
        within("lifetime", self.lifetime, LIFETIMES)
        if self.sessions is not None:
            within("sessions", self.sessions, SESSIONS)
        low, high = self.block
        if not 1024 <= low <= high <= 65_535:
            raise ProfileError("block", f"{low}-{high} is not a range of ports within 1024-65535")
        if self.block != PORT_BLOCK and self.ports is not Ports.BLOCK:
            raise ProfileError("block", f"only ports=block takes from a block, this NAT has ports={self.ports}")
        if not self.translates and (self.hairpin or self.sessions or self.input is Input.ACCEPT):
            raise ProfileError("translates", "a plain router has no hairpin, session limit or input policy")

    @property
    def dependent(self) -> bool:
        """Whether the outside port depends on the destination ("symmetric")."""
        return self.translates and self.mapping is not Mapping.ENDPOINT_INDEPENDENT

    def __str__(self) -> str:
        """The parts in the form that `parse` takes, without those that have their default."""
        always = ("mapping", "filtering", "ports") if self.translates else ()
        told = [] if self.translates else ["none"]
        plain = Profile(translates=self.translates)
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in always or value != getattr(plain, field.name):
                told.append(f"{field.name}={written(value)}")
        return ",".join(told)


def written(value: object) -> str:
    """A part's value as `parse` takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def within(key: str, value: int, limits: tuple[int, int]) -> None:
    """Raise ProfileError unless `value` is within `limits`, both included."""
    if not limits[0] <= value <= limits[1]:
        raise ProfileError(key, f"{value} is not within {limits[0]} to {limits[1]}")


@dataclass(frozen=True, slots=True)
class Preset:
    """A familiar name for a NAT, and who has such a one."""

    profile: Profile
    found: str


_DEPENDENT = Profile(Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.ADDRESS_AND_PORT_DEPENDENT, Ports.RANDOM)

PRESETS: MappingType[str, Preset] = MappingProxyType(
    {
        "none": Preset(Profile(translates=False), "servers and hosts with a public address and no firewall"),
        "full_cone": Preset(
            Profile(filtering=Filtering.ENDPOINT_INDEPENDENT),
            "routers set to full cone or open NAT for games, port-forwarded hosts, some carrier-grade NATs",
        ),
        "restricted": Preset(
            Profile(filtering=Filtering.ADDRESS_DEPENDENT), "some home routers and firewalls; RFC 3489 restricted cone"
        ),
        "port_restricted": Preset(
            Profile(), "most home routers: Linux, BSD and their kin translate so without options; port restricted cone"
        ),
        "symmetric": Preset(_DEPENDENT, "firewalls of companies, cloud NAT gateways, pf and iptables --random-fully"),
        "symmetric_sequential": Preset(
            replace(_DEPENDENT, ports=Ports.SEQUENTIAL), "older routers and mobile carriers that count their ports up"
        ),
        "cgnat": Preset(
            Profile(ports=Ports.BLOCK, lifetime=60, sessions=1000),
            "carriers that share one address among subscribers, each with a block of ports; most mobile networks",
        ),
        "corporate": Preset(
            replace(_DEPENDENT, lifetime=60, tcp=Tcp.ONLY_443),
            "offices whose firewall lets UDP out but TCP to port 443 only",
        ),
        "home": Preset(Profile(hairpin=True), "a good home router: port restricted, hosts behind it reach each other"),
    }
)


def familiar(nat: Profile) -> str:
    """The preset that maps, filters and gives out ports as this NAT does, or but for ports where these do not depend on
    the destination; empty if there is none."""
    alike = {name: one.profile for name, one in PRESETS.items() if _kind(one.profile) == _kind(nat)}
    same = [name for name, profile in alike.items() if profile.ports is nat.ports]
    return next(iter(same or ([] if nat.dependent else alike)), "")


def _kind(nat: Profile) -> tuple[object, ...]:
    return nat.translates, nat.udp, nat.mapping, nat.filtering


_KINDS: MappingType[str, type[StrEnum]] = MappingProxyType(
    {"mapping": Mapping, "filtering": Filtering, "ports": Ports, "udp": Udp, "tcp": Tcp, "input": Input}
)
_PARTS = (*_KINDS, "hairpin", "lifetime", "sessions", "block")


def parse(text: str) -> Profile:
    """A NAT from `PRESET`, from `part=value,…`, or from a preset and changes to it: `home,lifetime=30,hairpin=off`.

    Names may be written with - or _. Raises ProfileError, naming the word and what there is instead.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ProfileError(
            "nat", f"it is empty; there are {', '.join(PRESETS)}, or part=value with {', '.join(_PARTS)}"
        )
    profile = Profile()
    if "=" not in words[0]:
        name = words.pop(0).lower().replace("-", "_")
        if name not in PRESETS:
            raise ProfileError("nat", f"there is no NAT {name!r}; there are {', '.join(PRESETS)}")
        profile = PRESETS[name].profile
    return replace(profile, **_changes(words))


def _changes(words: list[str]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in _PARTS:
            raise ProfileError(key, f"it is not a part of a NAT; there are {', '.join(_PARTS)}")
        if key in changes:
            raise ProfileError(key, "it is given twice")
        changes[key] = _value(key, value)
    return changes


def _value(key: str, value: str) -> Any:
    if kind := _KINDS.get(key):
        try:
            return kind(value.lower())
        except ValueError:
            raise ProfileError(key, f"{value!r} is none of {', '.join(kind)}") from None
    if key == "hairpin":
        if value not in ("on", "off"):
            raise ProfileError(key, f"{value!r} is neither on nor off")
        return value == "on"
    numbers = value.split("-") if key == "block" else [value]
    if not all(number.isdecimal() for number in numbers) or len(numbers) != (2 if key == "block" else 1):
        raise ProfileError(key, f"{value!r} is not {'FIRST-LAST' if key == 'block' else 'a whole number'}")
    return (int(numbers[0]), int(numbers[1])) if key == "block" else int(numbers[0])
