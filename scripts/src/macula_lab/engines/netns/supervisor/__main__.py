"""`python -m macula_lab.engines.netns.supervisor DESCRIPTOR FOLDER`: goes to the background and serves that socket.

The folder is there for people, and for who must know this process again by its command line.
"""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> Callable[[], int]:
    """Serve until told to end; returns what the process that returns, perhaps a child, has to do then."""
    if pid := os.fork():
        (Path(sys.argv[2]) / "supervisor.pid").write_text(str(pid))
        os._exit(0)
    # After the fork, so that the command that began us does not wait for it.
    from macula_lab.engines.netns.supervisor.program import go_before
    from macula_lab.engines.netns.supervisor.server import Server

    os.setsid()
    os.chdir("/")
    go_before()
    return Server(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    # Taking an interpreter down writes to all the memory that a child shares with us: longer than most commands run.
    os._exit(main()())
