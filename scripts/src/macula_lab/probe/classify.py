"""What NAT is between here and a server: measured, judged, and compared with what it is called."""

import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from macula.nat.profile import Profile

from macula_lab.errors import LabError
from macula_lab.probe.checks import Check
from macula_lab.probe.endpoint import Endpoint
from macula_lab.probe.expectation import Mismatch, compare, port_limit
from macula_lab.probe.judgement import Observed, judge
from macula_lab.probe.measure.vantage import Vantage
from macula_lab.probe.measure.visit import Itinerary, visit
from macula_lab.probe.observations import Observations

UNLIMITED = 64
"""flows that are tried where no limit is told"""
SPARE_PORTS = 4
"""how many more than there are the crowd tries"""


@dataclass(frozen=True, slots=True)
class Classification:
    """What was seen, what it means, and what of it should have been otherwise."""

    observed: Observed
    mismatches: list[Mismatch]
    observations: Observations

    def plain(self) -> dict[str, Any]:
        """For JSON; endpoints are "address:port"."""
        return {
            "observed": dict(self.observed),
            "mismatches": [asdict(one) for one in self.mismatches],
            "evidence": plain(self.observations),
        }

    def text(self) -> str:
        """For people: one line for each part."""
        wrong = {one.part: one for one in self.mismatches}
        missing = [f"{part:12} not seen  WRONG, expected {one.expected}" for part, one in wrong.items() if not one.seen]
        lines = [
            f"{part:12} {word}" + (f"  WRONG, expected {wrong[part].expected}" if part in wrong else "")
            for part, word in self.observed.items()
        ]
        return "\n".join(lines + missing)


def classify(vantage: Vantage, checks: Collection[Check], nat: Profile | None, sockets: int) -> Classification:
    """Look, judge, and compare with `nat` if that is given. Raises LabError when it cannot be measured."""
    hints = nat or Profile()
    ports = (port_limit(hints) or 0) + SPARE_PORTS
    seen = visit(vantage, Itinerary(checks, sockets, hints.lifetime, ports, hints.sessions or UNLIMITED))
    observed = judge(seen)
    return Classification(observed, compare(nat, observed, {Check.CONTACT, *checks}) if nat else [], seen)


def inside_address(server: Endpoint) -> str:
    """The address from which this host reaches the server. Raises LabError when it has no route there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(server)
        except OSError as error:
            raise LabError(f"{server}: there is no way to it from here, {error.strerror}") from error
        return str(asking.getsockname()[0])


def plain(value: Any) -> Any:
    """Observations as JSON knows them."""
    if isinstance(value, Endpoint):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in value.__slots__ if getattr(value, name) is not None}  # type: ignore[attr-defined]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
