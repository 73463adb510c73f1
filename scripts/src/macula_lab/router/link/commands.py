"""`macula-router link set | clear | show`, and the link that a router starts with."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from macula_lab.errors import LabError
from macula_lab.router import interfaces, memory
from macula_lab.router.config import from_environment
from macula_lab.router.link import control, path
from macula_lab.router.link.control import Message
from macula_lab.router.link.path import Direction
from macula_lab.router.link.spec import NOTHING, parse

START_TIME = 20.0
"""seconds that coming into the path may take; it is about 0.1"""
OFF: Message = {"out": NOTHING, "in": NOTHING, "seed": None, "running": False, "counters": {}, "problem": ""}
CLEAR: Message = dict.fromkeys(Direction, NOTHING)
KILLED = "the program that shapes was killed, so nothing passes; `macula-router link set` or `link clear` repairs it"
REPLACED = "the interface was replaced, so nothing is shaped; `macula-router link set` repairs it"


def uplink(environment: Mapping[str, str]) -> str:
    """The interface towards the WAN. Raises LabError when there is none."""
    wan = from_environment(environment).wan
    if wan is None:
        raise LabError("WAN: the link of a router is its uplink, and this one has none", "write WAN: 172.24.0.0/24")
    return interfaces.uplink(interfaces.present(), wan).interface


def command(argv: Sequence[str]) -> int:
    """Run `link` with these arguments in this router. Gives the exit code; raises LabError."""
    arguments = vars(parser().parse_args(argv))
    interface = uplink(os.environ)
    if arguments["command"] == "set":
        given = {key: arguments[key] for key in ("out", "in", "seed") if arguments[key] is not None}
        change(interface, given | {way: checked(f"--{way}", given[way]) for way in Direction if way in given})
    elif arguments["command"] == "clear":
        change(interface, CLEAR)
    now = status(interface)
    print(json.dumps(now) if arguments["json"] else text(now))
    return 0


def parser() -> argparse.ArgumentParser:
    """What `link` understands."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true")
    top = argparse.ArgumentParser("macula-router link", description="Delay, loss, ... on the uplink.")
    commands = top.add_subparsers(dest="command", required=True)
    setting = commands.add_parser("set", parents=[common], help="what is not given stays as it is")
    for way in Direction:
        setting.add_argument(
            f"--{way}", metavar="SPEC", help="delay=25,jitter=5,loss=1,rate=10mbit,reorder=1,duplicate=1"
        )
    setting.add_argument("--seed", type=int, metavar="N", help="begin anew what is drawn by chance")
    commands.add_parser("clear", parents=[common], help="take the shaper out of the path")
    commands.add_parser("show", parents=[common], help="what is asked, and the packets so far")
    return top


def apply(environment: Mapping[str, str]) -> None:
    """Let the uplink be what LINK_OUT, LINK_IN and LINK_SEED say. Raises LabError, naming the variable."""
    request: Message = {
        way: checked(f"LINK_{way.upper()}", environment.get(f"LINK_{way.upper()}", "")) for way in Direction
    }
    request["seed"] = first_seed(environment)
    if environment.get("WAN") or asks(request):
        change(uplink(environment), request)


def first_seed(environment: Mapping[str, str]) -> int:
    """The seed until a command gives another one."""
    seed = environment.get("LINK_SEED") or "1"
    if not seed.isdecimal():
        raise LabError(f"LINK_SEED: {seed!r} is not a whole number", "write LINK_SEED: 7")
    return int(seed)


def checked(name: str, spec: str) -> str:
    """A link in its plain form; the error of a wrong one begins with `name`."""
    try:
        return str(parse(spec))
    except LabError as error:
        raise LabError(f"{name}: {error.cause}", error.next_step) from error


def asks(request: Message) -> bool:
    """Whether anything is asked of the link."""
    return any(request.get(way, NOTHING) != NOTHING for way in Direction)


def change(interface: str, request: Message) -> None:
    """Let the link of an interface become what is asked; a direction or seed that is not named stays as it is.

    The program that shapes is started, told or ended. One that was killed, or that has lost its interface, is replaced.
    """
    with memory.alone():
        running = control.ask({})
        if running and (running["interface"] != interface or not path.led(interface)):
            control.ask(CLEAR)
            request = {key: running[key] for key in (*Direction, "seed")} | request
            running = None
        if running:
            running = control.ask(request)
        elif asks(request):
            start(interface, {"seed": first_seed(os.environ)} | request)
            return
        if not running:
            path.restore(interface)


def start(interface: str, request: Message) -> None:
    """Start the program; it is in the path when this returns. Raises LabError with its reason when it cannot be."""
    log = memory.folder() / "link.log"
    argv = [sys.executable, "-P", "-m", __package__, interface, json.dumps(request), str(log.resolve())]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment, timeout=START_TIME)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise LabError(f"link: the program that shapes was not ready within {START_TIME:g} s", "try again") from error
    if done.stdout:
        raise LabError(*json.loads(done.stdout)["error"])
    if done.returncode:
        raise LabError("link: the program that shapes could not be started", "", done.stderr)


def status(interface: str) -> Message:
    """What is asked of the link of an interface, and what became of the packets so far."""
    running = control.ask({})
    problem = ""
    if bool(running) != path.led(interface):
        problem = REPLACED if running else KILLED
    now = OFF | (running or {}) | {"interface": interface, "problem": problem}
    for way, counters in now["counters"].items():
        counters["missed"] = path.missed(Direction(way))
    return now


def text(now: Message) -> str:
    """The status for people."""
    lines = []
    for way in Direction:
        counters = ", ".join(f"{number} {name}" for name, number in now["counters"].get(way, {}).items())
        lines.append(f"{way:4} {now[way]}" + (f"   packets: {counters}" if counters else ""))
    if now["running"]:
        lines.append(f"seed {now['seed']}")
    return "\n".join([*lines, *filter(None, [now["problem"]])])
