"""What the suites ask of a mesh, in the words of its command line."""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

import macula
from macula_lab.mesh.mesh import Mesh

REALM = "org.example.mesh"
WHOAMI = f"{REALM}.demo.whoami"

DEADLINE = 20.0
"""Seconds until something that must happen is given up; generous, since machines are slow."""

Answer = TypeVar("Answer")


def eventually(condition: str, ask: Callable[[], Answer], seconds: float = DEADLINE) -> Answer:
    """The first answer that is true, asked for again and again. Fails after `seconds`, naming the condition."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {condition}; last answer: {answer!r}"
        threading.Event().wait(0.05)
    return answer


def call(mesh: Mesh, service: str, procedure: str, args: str = "null", *options: str) -> Any:
    """`macula call` in a node: its result, provider, path, hops and latency. Raises CommandRefused."""
    return mesh.exec_json(service, ["call", procedure, args, *options])


def publish(mesh: Mesh, service: str, topic: str, payload: str, *options: str) -> Any:
    """`macula publish` in a node: who got the event. Raises CommandRefused."""
    return mesh.exec_json(service, ["publish", topic, payload, *options])


def lookup(mesh: Mesh, service: str, name: str, kind: str) -> Any:
    """`macula dht lookup` in a node: what it found, who held it and the closest nodes."""
    return mesh.exec_json(service, ["dht", "lookup", name, "--kind", kind])


def ids(mesh: Mesh) -> dict[str, str]:
    """The node id of each service."""
    return {service: mesh.status(service).node_id for service in mesh.nodes()}


def found_names(mesh: Mesh, service: str, name: str, kind: str) -> set[str]:
    """The names of the nodes whose records `macula dht lookup` finds."""
    return {entry["name"] for entry in lookup(mesh, service, name, kind)["found"]}


def peer_names(mesh: Mesh, service: str) -> set[str | None]:
    """The names of the peers that a node is connected to."""
    return {peer["name"] for peer in mesh.exec_json(service, ["peers"])}


def joined(mesh: Mesh, name: str, **settings: Any) -> AbstractAsyncContextManager[macula.Mesh]:
    """A node in this process that enters the mesh through its bootstrap, as a program on the host would."""
    return macula.connect(REALM, name, [f"{mesh.address('bootstrap')}:9443"], **settings)


def record_key(realm: str, kind: str, name: str) -> bytes:
    """A record's place in the DHT, computed from the protocol's definition and not by the node's code."""
    parts = [part.encode() for part in (realm, kind, name)]
    return hashlib.sha256(b"".join(len(part).to_bytes(2, "big") + part for part in parts)).digest()


def by_distance(node_ids: list[str], key: bytes) -> list[str]:
    """Node ids sorted by the XOR distance of SHA-256(node id) to a key (Kademlia, section 2.1)."""
    from base64 import b32decode

    def distance(text: str) -> int:
        position = hashlib.sha256(b32decode(text.upper() + "====")).digest()
        return int.from_bytes(position, "big") ^ int.from_bytes(key, "big")

    return sorted(node_ids, key=distance)


class Subscriber:
    """`macula subscribe` that runs in a node; its events can be taken one by one."""

    def __init__(self, mesh: Mesh, service: str, pattern: str, count: int) -> None:
        argv = ["subscribe", pattern, "--count", str(count), "--timeout", "60"]
        self._lines: queue.Queue[Any] = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(mesh, service, argv), daemon=True)
        self._thread.start()
        assert self._next() == {"subscribed": pattern}

    def take(self, count: int) -> list[Any]:
        """The next `count` events. Fails after DEADLINE seconds without one."""
        return [self._next() for _ in range(count)]

    def ended(self) -> bool:
        """Whether the command has ended with nothing more to take: it does after `count` events."""
        self._thread.join(DEADLINE)
        return not self._thread.is_alive() and self._lines.empty()

    def _next(self) -> Any:
        try:
            line = self._lines.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"no event within {DEADLINE:g} s") from None
        if isinstance(line, Exception):
            raise line
        return line

    def _read(self, mesh: Mesh, service: str, argv: list[str]) -> None:
        try:
            for line in mesh.stream(service, argv):
                self._lines.put(line)
        except Exception as error:  # noqa: BLE001 - handed to the test that waits
            self._lines.put(error)


@contextmanager
def subscribers(mesh: Mesh, patterns: dict[str, str], count: int) -> Iterator[dict[str, Subscriber]]:
    """One subscriber in each of these services, all known to the DHT."""
    yield {service: Subscriber(mesh, service, pattern, count) for service, pattern in patterns.items()}
