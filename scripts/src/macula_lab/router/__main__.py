"""`macula-router`: the router's main program and the commands that change and show it."""

import argparse
import json
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from macula_lab.errors import LabError

Kind = TypeVar("Kind", IPv4Address, IPv4Network)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit code 0, 1 for what went wrong, 2 for what nobody can understand."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        if words[:1] == ["link"]:
            from macula_lab.router import link

            return int(link.command(words[1:]))
        return _run(_parser().parse_args(words))
    except LabError as error:
        remedy = f"; {error.next_step}" if error.next_step else ""
        print(f"macula-router: {error.cause}{remedy}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    from macula_lab.router import commands

    match arguments.command:
        case "serve":
            commands.serve()
        case "show":
            from macula_lab.router.showing import show
            from macula_lab.router.text import describe

            shown = show()
            print(json.dumps(shown) if arguments.json else describe(shown))
        case "apply":
            commands.apply(arguments.nat)
        case "reboot":
            commands.reboot()
        case "wan-change":
            new = commands.wan_change(_value("ADDRESS", IPv4Address, arguments.address))
            told = {"wan": {"interface": new.interface, "address": str(new.address.ip)}}
            print(json.dumps(told) if arguments.json else new.address.ip)
        case "partition" | "heal":
            network = _value("SUBNET", IPv4Network, arguments.subnet)
            if arguments.command == "partition":
                assert network is not None
                left = commands.cut(network)
            else:
                left = commands.heal(network)
            print(json.dumps({"partitioned": list(map(str, left))}) if arguments.json else "\n".join(map(str, left)))
    return 0


def _value(name: str, kind: type[Kind], text: str | None) -> Kind | None:
    if text is None:
        return None
    try:
        return kind(text)
    except ValueError as error:
        example = "172.24.0.99" if kind is IPv4Address else "172.24.1.0/24"
        raise LabError(f"{name}: {error}", f"write it like {example}") from error


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="for programs")
    top = argparse.ArgumentParser(
        "macula-router", description="A router of the lab. Its settings are in its environment."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="be the router that WAN, NAT, ADDRESSES, ROUTES and LINK_* describe")
    commands.add_parser("show", parents=[common], help="rules, mappings and what was dropped")
    apply = commands.add_parser("apply", help="become another NAT")
    apply.add_argument("--nat", required=True, metavar="SPEC", help="home, symmetric, mapping=adm,filtering=eif,…")
    commands.add_parser("reboot", help="forget every mapping")
    change = commands.add_parser("wan-change", parents=[common], help="take another WAN address")
    change.add_argument("address", nargs="?", metavar="ADDRESS", help="a free one when none is named")
    cut = commands.add_parser("partition", parents=[common], help="drop everything from and to a network")
    cut.add_argument("subnet", metavar="SUBNET")
    heal = commands.add_parser("heal", parents=[common], help="end that")
    heal.add_argument("subnet", nargs="?", metavar="SUBNET", help="all when none is named")
    commands.add_parser("link", help="delay, loss, … on the uplink: set, clear, show")
    return top


if __name__ == "__main__":
    sys.exit(main())
