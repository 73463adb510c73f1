"""What a router says about itself: `macula-router show --json`, checked and typed."""

import json
from ipaddress import IPv4Address, IPv4Network

from macula.nat.profile import Profile, parse
from pydantic import BaseModel, ConfigDict, ValidationError

from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError


class Told(BaseModel):
    """A part of what a router tells; what a newer router tells beyond it is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Uplink(Told):
    """The interface towards the outside."""

    interface: str
    address: IPv4Address


class Lan(Told):
    """An interface towards the inside; of a plain router, any."""

    interface: str
    address: IPv4Address
    subnet: IPv4Network


class Mapping(Told):
    """An inside socket and the outside one that it is seen at; sockets are written ip:port."""

    protocol: str
    inside: str
    outside: str
    remotes: tuple[str, ...] = ()
    """whom the inside socket has sent to through it"""
    expires: float | None = None
    """seconds from now"""


class Drop(Told):
    """Packets that the router did not let pass, from and to where it saw them."""

    reason: str
    """no_mapping, filtered, blocked, exhausted, private or partitioned"""
    protocol: str
    source: str
    destination: str
    packets: int


class RouterState(Told):
    """Everything that a router tells about itself, at one moment."""

    profile: str
    wan: Uplink | None = None
    lans: tuple[Lan, ...] = ()
    mappings: tuple[Mapping, ...] = ()
    drops: tuple[Drop, ...] = ()
    partitioned: tuple[IPv4Network, ...] = ()

    @property
    def nat(self) -> Profile:
        """The kind of NAT that it is now."""
        return parse(self.profile)

    @property
    def addresses(self) -> set[IPv4Address]:
        """Its own addresses."""
        return {lan.address for lan in self.lans} | ({self.wan.address} if self.wan else set())

    @property
    def outside(self) -> IPv4Address | None:
        """The address that everybody behind it is seen at; None when it translates nothing."""
        return self.wan.address if self.wan and self.nat.translates else None


def show(engine: Engine, router: str) -> str:
    """What `macula-router show --json` prints in a router. Raises LabError, naming the router, when it does not."""
    finished = engine.execute(router, ["macula-router", "show", "--json"])
    if finished.code != 0:
        raise LabError(f"{router} does not say what it does", f"macula-lab logs {router}", finished.stderr)
    return finished.stdout


def read(router: str, text: str) -> RouterState:
    """The state that `show` printed. Raises LabError, naming the router and the first field that is wrong."""
    try:
        return RouterState.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise LabError(
            f"{router} tells of itself what this lab does not understand: {error}", "build its image again: make up"
        ) from error
