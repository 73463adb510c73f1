"""`python -m macula_lab.router.link INTERFACE REQUEST LOG`: become the program that shapes, in the background.

It returns when the link is in the path. Otherwise the exit code is 1, and stdout has the reason as `control` tells it.
What the program says later, which is why it ended if it fails, goes to the file LOG.
"""

import json
import os
import sys

from macula_lab.errors import LabError
from macula_lab.router.link import control, path
from macula_lab.router.link.program import Program


def main() -> int:
    """Come into the path, and leave the terminal."""
    interface, request, log = sys.argv[1:]
    try:
        listener = control.listen()
        program = start(interface, json.loads(request))
    except LabError as error:
        print(json.dumps(control.as_answer(error)))
        return 1
    if os.fork() == 0:
        become_background(log)
        program.serve(listener)
    return 0


def start(interface: str, request: control.Message) -> Program:
    """The program, in the path. Raises LabError when that cannot be, and then leaves nothing behind."""
    program = Program(interface, request["seed"])
    try:
        path.prepare(interface)
        program.change(request)
    except LabError:
        program.close()
        raise
    return program


def become_background(log: str) -> None:
    """Belong to no terminal and to no folder."""
    os.setsid()
    os.chdir("/")
    for number, file, mode in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
        opened = os.open(file, mode, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(1, 2)


sys.exit(main())
