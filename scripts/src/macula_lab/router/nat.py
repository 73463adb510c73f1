"""Making the kernel be a NAT."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from macula.nat.profile import parse

from macula_lab.router import conntrack, memory, tables
from macula_lab.router.kernel import nft
from macula_lab.router.memory import Memory
from macula_lab.router.rule import Rule
from macula_lab.router.rules import generate

SILENCE = """table ip macula_silence
delete table ip macula_silence
table ip macula_silence {
  chain arriving { type filter hook prerouting priority raw - 20; policy drop; }
  chain sending { type filter hook output priority raw - 20; policy drop; }
}"""
BREAK_SILENCE = "table ip macula_silence\ndelete table ip macula_silence"


def rules(now: Memory) -> tuple[Rule, ...]:
    """The rules of a router as it is; a plain one has none."""
    return generate(parse(now.nat), now.uplink) if now.uplink else ()


def become(wanted: Memory, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Make the kernel do what is wanted, with nothing translated and nothing dropped so far, and remember it.

    No packet passes until it is done, nor while `meanwhile` runs.
    """
    with _silence():
        meanwhile()
        nft(tables.render(rules(wanted), parse(wanted.nat)))
        conntrack.forget()
        memory.write(wanted)


@contextmanager
def _silence() -> Iterator[None]:
    # A packet in flight would bring a forgotten mapping back.
    nft(SILENCE)
    try:
        yield
    finally:
        nft(BREAK_SILENCE)
