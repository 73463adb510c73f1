"""Every test here has a victim and a good node beside it, which must not notice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .scene import Scene, scene


@pytest_asyncio.fixture
async def stage(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """Two nodes; that they still work is checked at the end of the test."""
    async with scene(caplog, monkeypatch) as made:
        yield made
