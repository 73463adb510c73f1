"""Small programs that run in the places of a lab, to see what the network does to plain UDP and TCP."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address

from asking import eventually
from macula_lab.engines.contract import Engine, Finished, Helper

Run = Callable[[Sequence[str]], Finished]
"""Runs a command in one place of a lab to its end."""

PATIENCE = 5.0
"""Seconds in which a question that must be answered is asked five times."""

REFUSAL = 1.0
"""The same for one that must not be: networks this quiet lose nothing."""

_REFLECT = """
import selectors, socket, sys
waiting = selectors.DefaultSelector()
for text in sys.argv[1:]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for one in (udp, tcp):
        one.bind(("", int(text)))
        waiting.register(one, selectors.EVENT_READ)
    tcp.listen()
print("reflecting", flush=True)
while True:
    for key, _ in waiting.select():
        if key.fileobj.type == socket.SOCK_DGRAM:
            data, source = key.fileobj.recvfrom(2048)
            key.fileobj.sendto("{}:{}".format(*source).encode(), source)
        else:
            connection, source = key.fileobj.accept()
            connection.sendall("{}:{}".format(*source).encode())
            connection.close()
"""

_ASK_UDP = """
import socket, sys, time
host, port, bound, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.bind(("", bound))
asking.settimeout(patience / 5)
for _ in range(5):
    began = time.perf_counter()
    try:
        asking.sendto(b"?", (host, port))
        print(asking.recvfrom(2048)[0].decode(), (time.perf_counter() - began) * 1000)
        break
    except OSError:
        pass
"""

_ASK_TCP = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as asking:
        print(asking.recv(2048).decode(), 0)
except OSError as error:
    print(error, file=sys.stderr)
"""

_CONNECT = """
import errno, selectors, socket, sys, time
port, patience, waiting = int(sys.argv[1]), float(sys.argv[2]), selectors.DefaultSelector()
for address in sys.argv[3:]:
    one = socket.socket()
    one.setblocking(False)
    if one.connect_ex((address, port)) not in (0, errno.EINPROGRESS):
        continue
    waiting.register(one, selectors.EVENT_WRITE, address)
end = time.monotonic() + patience
while waiting.get_map() and time.monotonic() < end:
    for key, _ in waiting.select(end - time.monotonic()):
        waiting.unregister(key.fileobj)
        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            print(key.data)
"""

_SEND = """
import socket, sys
host, port, bound, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sending.bind(("", bound))
for number in range(count):
    sending.sendto(b"packet %d" % number, (host, port))
"""

_STAND_OPEN = """
import socket, sys
reflector, port, bound = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
standing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
standing.bind(("", bound))
standing.settimeout(1)
for _ in range(5):
    try:
        standing.sendto(b"?", (reflector, port))
        print(standing.recvfrom(2048)[0].decode(), flush=True)
        break
    except TimeoutError:
        pass
standing.settimeout(60)
while True:
    data, source = standing.recvfrom(2048)
    standing.sendto("{}:{}".format(*source).encode(), source)
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back to one who asked a reflector."""

    seen: str
    """the asker's address and port as the reflector saw them"""
    round_trip: float
    """milliseconds"""

    @property
    def host(self) -> str:
        """The address alone."""
        return self.seen.partition(":")[0]


def inside(engine: Engine, service: str) -> Run:
    """Where a service runs, with its rights."""
    return partial(engine.execute, service)


def ask_udp(run: Run, host: object, port: int, *, bound: int = 0, patience: float = PATIENCE) -> Answer | None:
    """What a reflector answers to UDP sent from local port `bound`; None when nobody answers."""
    return _answer(run(["python3", "-c", _ASK_UDP, str(host), str(port), str(bound), str(patience)]))


def send_udp(run: Run, target: str, *, bound: int, count: int = 1) -> None:
    """Datagrams from local port `bound` to ADDRESS:PORT, for whose answers nobody waits."""
    host, _, port = target.partition(":")
    done = run(["python3", "-c", _SEND, host, port, str(bound), str(count)])
    assert done.code == 0, done.stderr


def ask_tcp(run: Run, host: object, port: int, *, patience: float = PATIENCE) -> Answer | None:
    """What a reflector answers to a TCP connection; None when none comes about within `patience` seconds."""
    return _answer(run(["python3", "-c", _ASK_TCP, str(host), str(port), str(patience)]))


def connecting(run: Run, hosts: Collection[str], port: int) -> set[str]:
    """Those of `hosts` to which a TCP connection comes about, all tried at the same time."""
    done = run(["python3", "-c", _CONNECT, str(port), str(REFUSAL), *sorted(hosts)])
    assert done.code == 0, done.stderr
    return set(done.stdout.split())


@contextmanager
def reflector(where: Helper, *ports: int) -> Iterator[None]:
    """Answer everybody on these UDP and TCP ports by telling them which address they come from."""
    where.spawn(["python3", "-c", _REFLECT, *map(str, ports)])
    try:
        for port in ports:
            eventually(
                f"the reflector answers on {port}",
                partial(ask_udp, where.execute, "127.0.0.1", port, patience=REFUSAL),
            )
        yield
    finally:
        where.stop()


@contextmanager
def reflector_outside(lab: Engine, *ports: int) -> Iterator[str]:
    """The address of a reflector of the lab's own in the public network."""
    (address,) = lab.plan.free_addresses("public", 1)
    helper = lab.helper("outside", {"public": address})
    try:
        with reflector(helper, *ports):
            yield str(address)
    finally:
        helper.remove()


@contextmanager
def open_socket(engine: Engine, service: str, reflector: IPv4Address, port: int, bound: int) -> Iterator[str]:
    """A UDP socket of a service that answers like a reflector; gives the address at which the outside sees it."""
    lines = engine.stream(service, ["python3", "-c", _STAND_OPEN, str(reflector), str(port), str(bound)])
    with closing(lines):
        yield next(lines)


def _answer(asked: Finished) -> Answer | None:
    assert asked.code == 0, asked.stderr
    if not asked.stdout:
        return None
    seen, round_trip = asked.stdout.split()
    return Answer(seen, float(round_trip))
