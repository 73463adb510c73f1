"""Random interleavings of calls, replies, losses, repeats, cancels and deadlines."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from macula.core.commands import Advertise, CallProcedure, CancelCall, Strategy, Unadvertise
from macula.core.effects import Completed
from macula.core.results import CallResult
from macula.identity import NodeId
from macula.rpc.settings import RpcSettings

from .mesh import Mesh, is_call
from .playbook import node

IDS = tuple(node(number) for number in (1, 2, 3, 4))
SMALL = RpcSettings(
    max_calls=6,
    max_handlers=6,
    max_handlers_per_peer=3,
    max_args_bytes_per_peer=40,
    args_high_water=15,
    args_low_water=5,
    avoid_time=2.0,
    provider_ttl=5.0,
    refresh_after=2.0,
)
PROCEDURES = {"once": False, "again": True}
nodes = st.sampled_from(IDS)
picks = st.integers(0, 1 << 16)


class Interactions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.mesh = Mesh(IDS, SMALL)
        self.duplicated: set[bytes] = set()
        self.calls: dict[tuple[NodeId, int], CallProcedure] = {}
        for procedure, idempotent in PROCEDURES.items():
            for peer in IDS[1:]:
                self.mesh.advertise(peer, procedure, idempotent)

    @rule(
        peer=nodes,
        procedure=st.sampled_from(sorted(PROCEDURES)),
        strategy=st.sampled_from(Strategy),
        timeout=st.sampled_from([0.5, 2.0, 30.0]),
        only=st.one_of(st.none(), st.none(), nodes),
    )
    def call(self, peer: NodeId, procedure: str, strategy: Strategy, timeout: float, only: NodeId | None) -> None:
        args = f"call {len(self.calls):04}".encode()
        command = CallProcedure(procedure, args, timeout, strategy, only)
        self.calls[peer, self.mesh.give(peer, command)] = command

    @precondition(lambda self: self.mesh.busy_links())
    @rule(pick=picks)
    def deliver(self, pick: int) -> None:
        links = self.mesh.busy_links()
        self.mesh.deliver(links[pick % len(links)])

    @rule()
    def settle(self) -> None:
        self.mesh.settle()

    @precondition(lambda self: self.mesh.busy_links())
    @rule(pick=picks)
    def duplicate(self, pick: int) -> None:
        links = self.mesh.busy_links()
        link = links[pick % len(links)]
        sent = self.mesh.links[link][0]
        if is_call(sent):
            self.duplicated.add(sent.message.args)  # type: ignore[union-attr]
        self.mesh.duplicate(link)

    @precondition(lambda self: self.mesh.busy_links())
    @rule(pick=picks)
    def drop(self, pick: int) -> None:
        links = self.mesh.busy_links()
        self.mesh.drop(links[pick % len(links)])

    @precondition(lambda self: self.mesh.busy_links())
    @rule(pick=picks, code=st.sampled_from(["busy", "disconnected", "no_route", "max_hops_exceeded"]))
    def refuse(self, pick: int, code: str) -> None:
        links = self.mesh.busy_links()
        link = links[pick % len(links)]
        sent = self.mesh.links[link][0]
        if not (is_call(sent) and sent.message.args in self.duplicated):  # type: ignore[union-attr]
            self.mesh.refuse(link, code)

    @rule(a=nodes, b=nodes)
    def disconnect(self, a: NodeId, b: NodeId) -> None:
        if a != b:
            self.mesh.disconnect(a, b)

    @precondition(lambda self: self.mesh.lookups)
    @rule()
    def answer_lookup(self) -> None:
        self.mesh.answer_lookup()

    @precondition(lambda self: self.mesh.running)
    @rule(pick=picks, error=st.sampled_from(["", "", "remote", "busy"]))
    def finish(self, pick: int, error: str) -> None:
        running = list(self.mesh.running)
        peer, delivery = running[pick % len(running)]
        self.mesh.finish(peer, delivery, error)

    @precondition(lambda self: self.calls)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        calls = list(self.calls)
        peer, number = calls[pick % len(calls)]
        self.mesh.give(peer, CancelCall(number))

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.5, 6.0]))
    def advance(self, seconds: float) -> None:
        self.mesh.advance(self.mesh.now + seconds)

    @rule(peer=nodes, procedure=st.sampled_from(sorted(PROCEDURES)))
    def toggle(self, peer: NodeId, procedure: str) -> None:
        offered = procedure in self.mesh.nodes[peer].procedures
        self.mesh.give(peer, Unadvertise(procedure) if offered else Advertise(procedure, PROCEDURES[procedure]))

    @invariant()
    def no_provider_runs_a_call_twice(self) -> None:
        assert all(times == 1 for times in self.mesh.starts.values())

    @invariant()
    def what_is_not_idempotent_runs_once_in_the_whole_mesh(self) -> None:
        for command in self.calls.values():
            if command.procedure == "once" and command.args not in self.duplicated:
                assert sum(self.mesh.starts[peer, command.args] for peer in IDS) <= 1

    @invariant()
    def a_result_is_that_of_the_handler_asked_for(self) -> None:
        for key, command in self.calls.items():
            completed = self.mesh.commands[key].completed
            if completed is not None and isinstance(completed.result, CallResult):
                assert completed.result.value == command.args[::-1]
                assert self.mesh.starts[completed.result.provider, command.args] == 1

    @invariant()
    def bounds_hold(self) -> None:
        for rpc in self.mesh.nodes.values():
            assert rpc.calls <= SMALL.max_calls and rpc.handlers <= SMALL.max_handlers

    def teardown(self) -> None:
        self.mesh.settle()
        self.mesh.advance(self.mesh.now + 60.0)
        while self.mesh.running:
            self.mesh.finish(*next(iter(self.mesh.running)))
        self.mesh.settle()
        assert all(isinstance(outcome.completed, Completed) for outcome in self.mesh.commands.values())
        assert not any(self.mesh.holds.values()) and not any(self.mesh.paused.values())
        for rpc in self.mesh.nodes.values():
            assert (rpc.calls, rpc.handlers, rpc.idle, rpc.next_deadline()) == (0, 0, True, None)


TestInteractions = Interactions.TestCase
TestInteractions.settings = settings(max_examples=150, stateful_step_count=60)
