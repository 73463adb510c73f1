"""What a router is told by its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from macula.nat.profile import Profile, ProfileError, parse

from macula_lab.errors import LabError

PLAIN = Profile(translates=False)


@dataclass(frozen=True, slots=True)
class Route:
    """The neighbour through which a network is reached."""

    network: IPv4Network
    via: IPv4Address


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """A router as its compose file wants it."""

    wan: IPv4Network | None = None
    """the subnet of its uplink; None for a plain router between all its networks"""
    nat: Profile = PLAIN
    addresses: tuple[IPv4Interface, ...] = ()
    """what it owns beside the addresses that the engine gave it: the gateway addresses of its networks"""
    routes: tuple[Route, ...] = ()


def from_environment(environment: Mapping[str, str]) -> RouterConfig:
    """Read WAN, NAT, ADDRESSES and ROUTES. Raises LabError, naming the variable that is wrong."""
    wan = _wan(environment.get("WAN", "").strip())
    nat = _nat(environment.get("NAT", "").strip(), wan)
    addresses = tuple(_address(word) for word in environment.get("ADDRESSES", "").split())
    for address in addresses:
        if wan and address.ip in wan:
            raise LabError(
                f"ADDRESSES: {address} lies in WAN {wan}, and an uplink has one address: what the engine gave it",
                "leave it out; to choose the address give the service ipv4_address in that network",
            )
    return RouterConfig(wan, nat, addresses, tuple(_route(word) for word in environment.get("ROUTES", "").split()))


def profile(spec: str, name: str = "NAT") -> Profile:
    """The NAT that a setting describes. Raises LabError, naming the setting and the word that is wrong."""
    try:
        return parse(spec)
    except ProfileError as error:
        what = str(error).removeprefix("nat: ")
        raise LabError(f"{name}: {what}", "write a preset, parts, or both: home,lifetime=30") from error


def _wan(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text) if text else None
    except ValueError as error:
        raise LabError(f"WAN: {error}", "write the subnet of the uplink: WAN: 172.24.0.0/24") from error


def _nat(text: str, wan: IPv4Network | None) -> Profile:
    if not text:
        if wan:
            raise LabError("NAT: a router with a WAN needs to know what to do there", "write NAT: home, or NAT: none")
        return PLAIN
    nat = profile(text)
    if wan is None and nat != PLAIN:
        raise LabError(f"WAN: it is missing, and NAT {text} needs an uplink", "write WAN: 172.24.0.0/24")
    return nat


def _address(word: str) -> IPv4Interface:
    try:
        if "/" in word:
            return IPv4Interface(word)
    except ValueError as error:
        raise LabError(f"ADDRESSES: {error}", "write ADDRESSES: 172.24.1.2/24") from error
    raise LabError(f"ADDRESSES: {word} has no prefix length", f"write ADDRESSES: {word}/24")


def _route(word: str) -> Route:
    network, equals, via = word.partition("=")
    try:
        if equals:
            return Route(IPv4Network(network), IPv4Address(via))
    except ValueError as error:
        raise LabError(f"ROUTES: {word}: {error}", "write ROUTES: 172.24.3.0/24=172.24.9.4") from error
    raise LabError(f"ROUTES: {word} names no next hop", f"write ROUTES: {word}=172.24.9.4")
