"""How the commands speak to the program that shapes: one question, one answer, as JSON.

The address is abstract: it belongs to the router's network namespace and vanishes with the program, so that nothing is
left behind that could be taken for one that runs.
"""

import json
import socket
from typing import Any

from macula_lab.errors import LabError

Message = dict[str, Any]
ADDRESS = "\0macula-router-link"
MESSAGE_LIMIT = 65_536
PATIENCE = 10.0
"""seconds that an answer may take"""


def listen() -> socket.socket:
    """The place where questions arrive. Raises LabError when another program has it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(ADDRESS)
    except OSError as error:
        listener.close()
        raise LabError("link: another command is bringing it into the path", "try again") from error
    listener.listen()
    return listener


def ask(request: Message) -> Message | None:
    """Let the program do what is asked and tell what is so then; None when there is none, or it ended over it.

    Raises LabError with what went wrong there, or when it does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(ADDRESS)
            connection.send(json.dumps(request).encode())
            answer = connection.recv(MESSAGE_LIMIT)
        except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
            return None
        except TimeoutError as error:
            raise LabError(
                f"link: the program that shapes does not answer within {PATIENCE:g} s",
                "end it (macula_lab.router.link in the list of processes), then macula-router link clear",
            ) from error
    if not answer:
        return None
    told: Message = json.loads(answer)
    if "error" in told:
        raise LabError(*told["error"])
    return told


def receive(connection: socket.socket) -> Message:
    """The question of a connection that was just accepted. One who connects and says nothing asks for nothing."""
    connection.settimeout(1.0)
    try:
        request: Message = json.loads(connection.recv(MESSAGE_LIMIT) or b"{}")
    except TimeoutError:
        return {}
    return request


def reply(connection: socket.socket, answer: Message) -> None:
    """Answer a question and be done with it, whether or not somebody still waits."""
    with connection:
        try:
            connection.send(json.dumps(answer).encode())
        except BrokenPipeError:
            return


def as_answer(error: LabError) -> Message:
    """An error as an answer."""
    return {"error": [error.cause, error.next_step, error.evidence]}
