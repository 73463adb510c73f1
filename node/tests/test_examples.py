"""The examples run as they are and print what they claim."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)], capture_output=True, text=True, timeout=50, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_the_calculator_answers() -> None:
    assert run("calculator_service.py") == [
        "10 / 4 = 2.5",
        "total: 45",
        "total: 4950",
        "1 / 0 failed at the provider: ZeroDivisionError: division by zero",
        "nobody multiplies",
    ]


def test_the_sensor_feed_delivers_in_order() -> None:
    lines = run("sensor_feed.py")
    published = [line for line in lines if line.startswith("published to")]
    kitchen = [line for line in lines if "kitchen" in line]

    assert len(published) == 6
    assert all(line.endswith("failed: {}") and "[]" not in line for line in published)
    assert kitchen == [f"#{n} org.example.sensors.kitchen.temperature: {12 + n}.0 °C" for n in range(3)]
    assert lines[-1] == "cellar: [12.0, 13.0, 14.0]"


def test_each_is_short() -> None:
    assert all(len(path.read_text().splitlines()) < 60 for path in EXAMPLES.glob("*.py"))
