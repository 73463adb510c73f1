"""Under which conditions two peers meet: what their uplinks are like, and how far apart they start. Pure."""

from dataclasses import dataclass, field

from macula_lab.router.link.spec import LinkSpec


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of every pair that is tried."""

    link: LinkSpec = field(default_factory=LinkSpec)
    """each way of both routers' uplinks"""
    skew: float | None = None
    """seconds from the start of the called peer to that of the calling one; None: it starts when the other is ready"""

    @property
    def relay_round_trip(self) -> float:
        """Seconds from one peer through a relay to the other and back, by what is set: out of one uplink, into the
        other, and the same way back. The relay stands in front of both, so that the direct way is as long."""
        return 4 * self.link.delay / 1000

    @property
    def clean(self) -> bool:
        """Whether no packet vanishes."""
        return not self.link.loss

    def __str__(self) -> str:
        told = [f"links {self.link}"] if self.link else []
        if self.skew is not None:
            told.append(f"started {1000 * self.skew:.0f} ms apart")
        return ", ".join(told)


PLAIN = Conditions()
"""Links without delay and loss; who calls starts when the other is ready."""
