"""The commands of the prober.

macula-probe serve ADDRESS ADDRESS2 [--ports 3478 3479] [--outsider ADDRESS3] [--own] [--route SUBNET=NEXT-HOP ...]
macula-probe classify SERVER [--bind ADDRESS] [--neighbour ADDRESS] [--outsider] [--own] [--nat SPEC] ...
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence

from macula_lab.errors import LabError
from macula_lab.probe.checks import Check, fast

PORTS = (3478, 3479)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code: 1 for errors and for a NAT that is not as it is called, 2 for wrong usage."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except LabError as error:
        remedy = f"; {error.next_step}" if error.next_step else ""
        print(f"macula-probe: {error.cause}{remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("macula-probe", description="Tell what a NAT really does (RFC 5780).")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="a STUN server at two addresses and two ports, until it is ended")
    serve.add_argument("addresses", nargs=2, metavar="ADDRESS")
    serve.add_argument("--ports", nargs=2, type=int, default=PORTS, metavar="PORT")
    serve.add_argument("--outsider", metavar="ADDRESS", help="act there for probers behind NATs; only in a lab")
    serve.set_defaults(run=_serve)

    classify = commands.add_parser("classify", help="say what NAT is between here and a STUN server")
    classify.add_argument("server", metavar="SERVER", help="address, or address:port, of an RFC 5780 server")
    classify.add_argument(
        "--bind", default="", metavar="ADDRESS", help="the host inside; default: who routes to SERVER"
    )
    classify.add_argument("--neighbour", metavar="ADDRESS", help="a second host inside, for hairpin and contention")
    classify.add_argument("--outsider", action="store_true", help="the server has an outsider")
    named = f"{', '.join(Check)}; default: what takes a moment and can be made"
    classify.add_argument("--checks", type=_checks, metavar="NAME,...", help=named)
    classify.add_argument("--sockets", type=int, default=8, help="how many ask for their mapping; default 8")
    classify.add_argument("--nat", metavar="SPEC", help="what it is called: compare, and exit with 1 if it is not so")
    classify.add_argument("--json", action="store_true")
    classify.set_defaults(run=_classify)

    for command in (serve, classify):
        command.add_argument("--own", action="store_true", help="take the addresses named here (NET_ADMIN, NET_RAW)")
        command.add_argument("--route", action="append", default=[], metavar="SUBNET=NEXT-HOP", help="reach it so")
    return parser


def _checks(text: str) -> frozenset[Check]:
    try:
        return frozenset(map(Check, text.split(",")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; there are {', '.join(Check)}") from None


def _serve(options: argparse.Namespace) -> int:
    from macula_lab.probe.answers import Places
    from macula_lab.probe.server import Server

    first, second = options.addresses
    _settle(options, filter(None, (first, second, options.outsider)))
    server = Server(Places((first, second), tuple(options.ports)), options.outsider)
    print("macula-probe: serving", flush=True)
    server.serve()
    return 0


def _settle(options: argparse.Namespace, addresses: Iterable[str]) -> None:
    """Take addresses and routes, where that is asked for."""
    if not options.own and not options.route:
        return
    from macula_lab.probe import hosting

    for address in addresses if options.own else ():
        hosting.own(address)
    for subnet, next_hop in map(_pair, options.route):
        hosting.route(subnet, next_hop)


def _pair(text: str) -> tuple[str, str]:
    subnet, equals, next_hop = text.partition("=")
    if not equals:
        raise LabError(f"--route: {text!r} is not SUBNET=NEXT-HOP", "write 10.0.1.0/24=172.24.0.21")
    return subnet, next_hop


def _classify(options: argparse.Namespace) -> int:
    from macula.nat.profile import ProfileError, parse

    from macula_lab.probe.classify import classify, inside_address
    from macula_lab.probe.endpoint import parse_endpoint
    from macula_lab.probe.measure.vantage import Vantage

    try:
        server = parse_endpoint(options.server, PORTS[0])
        nat = parse(options.nat) if options.nat else None
    except ProfileError as error:
        raise LabError(f"--nat: {error}") from error
    except ValueError as error:
        raise LabError(f"SERVER: {error}", "write 172.24.0.10 or 172.24.0.10:3478") from error
    _settle(options, filter(None, (options.bind, options.neighbour)))
    inside = options.bind or inside_address(server)
    vantage = Vantage(server, inside, options.neighbour, options.outsider)
    checks = options.checks or fast(neighbour=options.neighbour is not None, outsider=options.outsider)
    found = classify(vantage, checks, nat, options.sockets)
    if options.json:
        print(json.dumps(found.plain()))
    else:
        print(found.text())
    return 1 if found.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
