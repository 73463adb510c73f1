"""The program that shapes a router's uplink, for as long as anything is asked of it.

Measured on a virtual machine with 2 cores, which generated the packets too: 100,000 packets a second of 1200 bytes
(980 Mbit/s) one way without a loss, 60,000 each way in both at the same time. A packet takes 5 to 13 microseconds of
one core. Being in the path adds 0.1 ms to a round trip, and 0.5 ms when it delays. What comes faster than it can read
is dropped by the kernel and shown as `missed`.
"""

import math
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict
from time import monotonic

from macula_lab.errors import LabError
from macula_lab.router.link import control, path
from macula_lab.router.link.control import Message
from macula_lab.router.link.path import Detour, Direction
from macula_lab.router.link.shaper import Shaper
from macula_lab.router.link.spec import NOTHING, LinkSpec, parse


class Lane:
    """One direction in the path: its detour, and the shaper that its frames go through."""

    def __init__(self, interface: str, direction: Direction, spec: LinkSpec, seed: int) -> None:
        self.detour = Detour(interface, direction)
        self.shaper = Shaper(spec, seed, direction)

    def read(self) -> int:
        """Take frames that came; gives how many."""
        before = self.shaper.counters.offered
        for frame in self.detour.frames():
            self.shaper.offer(frame, monotonic())
        return self.shaper.counters.offered - before

    def write(self) -> None:
        """Send those that are due."""
        for frame in self.shaper.due(monotonic()):
            self.detour.send(frame)

    def close(self) -> None:
        """Leave the path. What waits or is under way arrives now."""
        self.detour.stop()
        self.shaper.reconfigure(LinkSpec(), monotonic())
        while self.read():
            pass
        for frame in self.shaper.due(math.inf):
            self.detour.send(frame)
        self.detour.close()


class Program:
    """Everything that the shaper of one router knows."""

    def __init__(self, interface: str, seed: int) -> None:
        self.interface = interface
        self.seed = seed
        self.lanes: dict[Direction, Lane] = {}
        self._farewell: socket.socket | None = None
        """who asked for the end; that it comes is told by the end of this connection"""

    def change(self, request: Message) -> None:
        """Become what is asked: `out` and `in` as `parse` takes them, `seed`; what is left out stays.

        Raises LabError when a direction cannot be brought into the path; it then stays outside.
        """
        seed = request.get("seed")
        if seed is not None:
            self.seed = seed
        for direction in Direction:
            lane = self.lanes.get(direction)
            before = lane.shaper.spec if lane else LinkSpec()
            spec = parse(request[direction]) if direction in request else before
            if lane and spec:
                lane.shaper.reconfigure(spec, monotonic(), seed)
            elif lane:
                del self.lanes[direction]
                lane.close()
            elif spec:
                self.lanes[direction] = Lane(self.interface, direction, spec, self.seed)

    def status(self) -> Message:
        """What `macula-router link show` tells."""
        return {
            **{str(way): str(self.lanes[way].shaper.spec) if way in self.lanes else NOTHING for way in Direction},
            "seed": self.seed,
            "running": bool(self.lanes),
            "interface": self.interface,
            "process": os.getpid(),
            "counters": {str(way): asdict(lane.shaper.counters) for way, lane in self.lanes.items()},
        }

    def serve(self, listener: socket.socket) -> None:
        """Shape until nothing is asked any more, or until SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        try:
            while self.lanes:
                self._turn(listener)
        finally:
            self.close()

    def close(self) -> None:
        """Leave the interface as it was."""
        for lane in self.lanes.values():
            lane.close()
        with suppress(LabError):  # the interface may be gone
            path.restore(self.interface)

    def _turn(self, listener: socket.socket) -> None:
        lanes = list(self.lanes.values())
        deadlines = [at for lane in lanes if (at := lane.shaper.next_deadline()) is not None]
        wait = max(0.0, min(deadlines) - monotonic()) if deadlines else None
        # Not poll or epoll, which wait for whole milliseconds.
        readable, _, _ = select.select([listener.fileno(), *(lane.detour.fileno() for lane in lanes)], [], [], wait)
        for lane in lanes:
            if lane.detour.fileno() in readable:
                lane.read()
            lane.write()
        if listener.fileno() in readable:
            self._answer(listener.accept()[0])

    def _answer(self, connection: socket.socket) -> None:
        try:
            self.change(control.receive(connection))
        except LabError as error:
            control.reply(connection, control.as_answer(error))
            return
        if self.lanes:
            control.reply(connection, self.status())
        else:
            self._farewell = connection
