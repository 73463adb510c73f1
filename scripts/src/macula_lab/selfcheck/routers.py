"""Telling routers to do something."""

from collections.abc import Iterator
from contextlib import contextmanager

from macula_lab.composefile.plan import Service
from macula_lab.engines.contract import Engine
from macula_lab.errors import LabError


def command(engine: Engine, router: str, *words: str) -> str:
    """What `macula-router` writes in a router. Raises LabError, with its words, when it fails."""
    finished = engine.execute(router, ["macula-router", *words])
    if finished.code:
        cause = f"{router}: {finished.stderr.strip().removeprefix('macula-router: ')}"
        raise LabError(cause, f"macula-lab logs {router}", finished.stderr)
    return finished.stdout


@contextmanager
def without_link(engine: Engine, router: Service) -> Iterator[None]:
    """Take the delay, the loss, ... that its environment asks for out of a router's uplink for a while."""
    outward, inward = (router.environment.get(name, "") for name in ("LINK_OUT", "LINK_IN"))
    if not outward and not inward:
        yield
        return
    command(engine, router.name, "link", "clear")
    try:
        yield
    finally:
        seed = router.environment.get("LINK_SEED") or "1"
        command(engine, router.name, "link", "set", "--out", outward, "--in", inward, "--seed", seed)
