"""Probers in the helpers of an engine."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from macula.nat.profile import Profile

from macula_lab.engines.contract import Engine, Helper
from macula_lab.errors import LabError
from macula_lab.probe.checks import FAST, Check
from macula_lab.probe.expectation import Mismatch, flow_limit
from macula_lab.probe.judgement import Part
from macula_lab.probe.measure.mapping import SOCKETS
from macula_lab.selfcheck.sites import Front, Site
from macula_lab.selfcheck.verdict import Verdict, together

LONGEST = 60.0
"""seconds for one visit, beside the lifetimes it waits for"""

NEEDS = {
    Check.CONTACT: 2,
    Check.MAPPING: 22,
    Check.FILTERING: 3,
    Check.HAIRPIN: 7,
    Check.NEIGHBOURS: 10,
    Check.TCP: 5,
    Check.INTRUSION: 5,
    Check.UNSOLICITED: 3,
    Check.EARLY: 8,
    Check.ICMP: 4,
    Check.CHECKSUM: 6,
    Check.LEAK: 3,
}
"""The most flows that a check makes from one host, with the first contact and the connections to the outsider."""
TOGETHER = 60
"""All of them at once make fewer flows of one host than this, and fewer UDP mappings of two. A NAT that does not allow
so many gets its checks one by one, and is rebooted between them."""
FEW_SOCKETS, FEW_SOCKETS_NEED = 4, 12


@contextmanager
def helpers(engine: Engine, fronts: Sequence[Front], places: Sequence[Site]) -> Iterator[dict[str, Helper]]:
    """Servers and places for probers, made at the same time, and so removed in the end; gives the places by name.

    A server may take a moment until it answers.
    """
    with ThreadPoolExecutor(len(fronts) + len(places) or 1) as pool:
        serving = [pool.submit(_serve, engine, front) for front in fronts]
        waiting = {
            place.name: pool.submit(engine.helper, place.name, {place.network: place.addresses[0]}) for place in places
        }
        try:
            wait(serving)
            for server in serving:
                server.result()
            yield {name: place.result() for name, place in waiting.items()}
        finally:
            opened = [*serving, *waiting.values()]
            wait(opened)
            for removed in [pool.submit(one.result().remove) for one in opened if not one.exception()]:
                removed.result()


def _serve(engine: Engine, front: Front) -> Helper:
    first, second, stranger = map(str, front.addresses)
    helper = engine.helper(f"outside-{front.network}", {front.network: front.addresses[0]})
    routes = [word for subnet, via in front.routes.items() for word in ("--route", f"{subnet}={via}")]
    try:
        helper.spawn(["macula-probe", "serve", first, second, "--outsider", stranger, "--own", *routes])
    except BaseException:
        helper.remove()
        raise
    return helper


def examine(helper: Helper, site: Site, nat: Profile, reboot: Callable[[], None]) -> Verdict:
    """Everything that can be seen at once; the router is rebooted afterwards.

    A NAT that does not allow enough flows for it gets one check after the other, and loses those that need too many.
    """
    limit = flow_limit(nat)
    if limit is None or limit >= TOGETHER:
        try:
            return look(helper, site, nat, FAST)
        finally:
            reboot()
    unchecked, seen = [], []
    for check in sorted(FAST):
        sockets = SOCKETS if limit >= NEEDS[Check.MAPPING] else FEW_SOCKETS
        if limit < (FEW_SOCKETS_NEED if check is Check.MAPPING and sockets == FEW_SOCKETS else NEEDS[check]):
            unchecked.append(check)
            continue
        try:
            seen.append(look(helper, site, nat, {check}, sockets))
        finally:
            reboot()
    return (
        together(seen, unchecked)
        if seen
        else Verdict(site.router.name, site.network, str(nat), nat, unchecked=unchecked)
    )


def look(helper: Helper, site: Site, nat: Profile, checks: Collection[Check], sockets: int = SOCKETS) -> Verdict:
    """Make checks from a site. Raises LabError when the prober cannot do its work."""
    bind, neighbour = site.addresses
    argv = ["macula-probe", "classify", str(site.server), "--bind", str(bind), "--neighbour", str(neighbour)]
    argv += ["--own", "--outsider", "--json", "--route", f"{site.wan}={site.gateway}", "--nat", str(nat)]
    argv += ["--checks", ",".join(sorted(checks)), "--sockets", str(sockets)]
    started = time.monotonic()
    finished = helper.execute(argv, timeout=LONGEST + 4 * nat.lifetime * (Check.IDLE in checks))
    if not finished.stdout.startswith("{"):
        cause = f"{site.router.name} could not be checked from {site.network}: {finished.stderr.strip()}"
        raise LabError(cause, f"macula-lab logs {site.router.name}", finished.stderr)
    told: dict[str, Any] = json.loads(finished.stdout)
    return Verdict(
        router=site.router.name,
        network=site.network,
        called=str(nat),
        nat=nat,
        observed={Part(part): word for part, word in told["observed"].items()},
        mismatches=[Mismatch(**one) for one in told["mismatches"]],
        seconds=time.monotonic() - started,
        evidence=told["evidence"],
    )
