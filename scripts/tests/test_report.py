import io

import pytest
from rich.console import Console

from macula_lab.report import Reporter


def test_without_a_terminal_a_step_is_two_plain_lines() -> None:
    output = io.StringIO()

    with Reporter(Console(file=output)).step("Doing [this]") as show:
        show("a detail")

    first, second = output.getvalue().splitlines()
    assert first == "Doing [this] ..."
    assert second.startswith("ok Doing [this] (")


def test_a_step_that_fails_is_not_said_to_be_ok() -> None:
    output = io.StringIO()

    with pytest.raises(ValueError, match="no"), Reporter(Console(file=output)).step("Doing this"):
        raise ValueError("no")

    assert "ok" not in output.getvalue()
