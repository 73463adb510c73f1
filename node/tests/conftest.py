"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# Same seed, same run: examples follow from the test alone, and nothing is kept between runs.
settings.register_profile("mesh", derandomize=True, deadline=None, database=None)
settings.load_profile("mesh")
