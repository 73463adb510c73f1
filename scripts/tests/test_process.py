import sys

import pytest

from macula_lab.errors import LabError
from macula_lab.process import run, succeeds


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_output_is_shown_as_it_comes_and_returned() -> None:
    shown: list[str] = []

    output = run(python("import sys; print('one'); print('two', file=sys.stderr)"), show=shown.append)

    assert sorted(output.split()) == ["one", "two"]
    assert sorted(shown) == ["one", "two"]


def test_the_environment_is_added_to() -> None:
    assert run(python("import os; print(os.environ['LAB_NETWORK'])"), env={"LAB_NETWORK": "10.77"}) == "10.77\n"


def test_a_failure_names_the_code_the_next_step_and_the_last_lines() -> None:
    program = "import sys\nfor n in range(100): print('line', n)\nsys.exit(3)"

    with pytest.raises(LabError, match="failed with exit code 3") as caught:
        run(python(program), next_step="do this")

    assert caught.value.next_step == "do this"
    assert caught.value.evidence.splitlines()[-1] == "line 99"
    assert "line 50" not in caught.value.evidence
    assert str(caught.value).endswith("next: do this")


def test_a_program_that_hangs_is_ended_at_its_deadline() -> None:
    with pytest.raises(LabError, match=r"did not end within 0\.2 s"):
        run(python("import threading; threading.Event().wait()"), timeout=0.2)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LabError, match="no-such-program: no such program"):
        run(["no-such-program"])
    assert not succeeds(["no-such-program"])
