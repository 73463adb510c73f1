"""What holds in every simulation."""

from __future__ import annotations

import pytest

from macula.engine import Engine


@pytest.fixture(autouse=True)
def remembered_deadlines_are_never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine asks its parts for their deadlines only if they may have come nearer: what it remembers of the others
    is never later than what they would say."""
    remembered = Engine.next_deadline

    def checked(engine: Engine) -> float | None:
        at = remembered(engine)
        engine._deadlines.stirred = True
        engine._deadlines.told.update(engine._services)
        exact = remembered(engine)
        assert exact is None or (at is not None and at <= exact)
        return at

    monkeypatch.setattr(Engine, "next_deadline", checked)
