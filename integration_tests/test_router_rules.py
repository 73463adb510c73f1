"""Every rule of every NAT is needed and right: without it, and with a wrong one in its place, its probe fails."""

import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product

import pytest

from macula.nat.profile import Filtering, Input, Ports, Profile, Tcp, Udp, parse
from macula.nat.profile import Mapping as MappingKind
from macula_lab.router.rule import Probe
from macula_lab.router.rules import generate
from rule_ground import Ground, grounds
from rule_mutants import ANYWHERE, PROFILES, Mutant, mutants

LABS = 3
MUTANTS = sorted(mutants(), key=lambda mutant: mutant.probe is not Probe.IDLE)
"""those that take longest first"""

PROBED = [
    (nat, probe)
    for nat in PROFILES
    for probe in sorted({rule.probe for rule in generate(parse(nat), ANYWHERE)} | {Probe.ACCOUNTING})
]

Tried = Mutant | tuple[str, Probe]
Wrong = Mapping[Tried, "Future[list[str]]"]


@pytest.fixture(scope="module")
def wrong() -> Iterator[Wrong]:
    """What is found wrong, by mutant, and by profile and probe for rules as they are: tried on many routers at once."""
    with grounds(LABS) as made, ThreadPoolExecutor(len(made)) as pool:
        free: queue.SimpleQueue[Ground] = queue.SimpleQueue()
        for ground in made:
            free.put(ground)

        def found(what: Tried) -> list[str]:
            ground = free.get()
            try:
                if isinstance(what, Mutant):
                    return ground.wrong(parse(what.nat), what.rules(ground.uplink), what.probe)
                nat, probe = parse(what[0]), what[1]
                return ground.wrong(nat, generate(nat, ground.uplink), probe)
            finally:
                free.put(ground)

        everything: list[Tried] = [*PROBED, *MUTANTS]
        yield {what: pool.submit(found, what) for what in everything}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("nat", "probe"), PROBED)
def test_with_all_its_rules_no_probe_fails(nat: str, probe: Probe, wrong: Wrong) -> None:
    assert wrong[(nat, probe)].result() == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_with_a_wrong_rule_its_probe_fails(mutant: Mutant, wrong: Wrong) -> None:
    assert wrong[mutant].result(), f"{mutant.rule} of {mutant.nat}, {mutant.change.name}: {mutant.probe} sees nothing"


def test_no_rule_is_forgotten() -> None:
    parts = product(MappingKind, Filtering, Ports, (False, True))
    kinds = [Profile(*one, input=policy) for one, policy in product(list(parts), Input)]
    kinds += [Profile(udp=udp, tcp=tcp) for udp, tcp in product(Udp, Tcp)]
    kinds.append(Profile(hairpin=True, sessions=60))

    every = {(rule.name, rule.probe) for nat in kinds for rule in generate(nat, ANYWHERE)}

    assert every <= {(rule.name, rule.probe) for nat in PROFILES for rule in generate(parse(nat), ANYWHERE)}
