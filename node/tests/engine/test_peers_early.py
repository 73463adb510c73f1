"""What comes before a hello, and connections that lead nowhere."""

from __future__ import annotations

from macula.core.lanes import Lane
from macula.core.requests import Received
from macula.engine.peer import MAX_EARLY

from .playbook import (
    Table,
    call,
    closes,
    dials,
    hello,
    node,
    send,
    story,
)


def test_what_overtakes_a_hello_on_another_lane_waits_for_it() -> None:
    table = Table()
    table.connect(1)
    early = [call(number) for number in range(3)]
    assert [table.receive(1, message, lane=Lane.RPC) for message in early] == [[], [], []]
    outcomes = table.receive(1, hello(1), 0.1)
    assert story(outcomes) == ["PeerUp", "Received", "Received", "Received"]
    assert [o.message for o in outcomes if isinstance(o, Received)] == early


def test_only_so_much_waits_for_a_hello() -> None:
    table = Table()
    table.connect(1)
    for number in range(MAX_EARLY):
        assert table.receive(1, call(number), lane=Lane.RPC) == []
    assert closes(table.receive(1, call(99), lane=Lane.RPC)) == [(node(1), "unexpected")]


def test_what_waited_counts_as_what_comes_later() -> None:
    table = Table()
    table.connect(1)
    table.receive(1, call(1, "org.other"), lane=Lane.RPC)
    table.receive(1, call(2), lane=Lane.RPC)
    outcomes = table.receive(1, hello(1), 0.1)
    assert closes(outcomes) == [(node(1), "wrong_realm")]
    assert not any(isinstance(outcome, Received) for outcome in outcomes)


def test_a_connection_that_leads_nowhere_is_made_anew_once() -> None:
    table = Table()
    assert table.peers.redial(node(1), 0.0) == [], "who is not connected"
    table.up(1)
    (dial,) = dials(table.peers.redial(node(1), 1.0))
    assert dial.expected == node(1)
    assert table.peers.redial(node(1), 1.1) == []
    outcomes = table.up(1, 1.2, dial=dial.dial)
    assert story(outcomes) == ["PeerDown", "SendMessage", "PeerUp"]


def test_a_connection_that_answers_again_ends_the_attempt_to_replace_it() -> None:
    """Else nobody would dial the peer any more once it is gone."""
    table = Table()
    table.learn(1)
    table.up(1)
    (dial,) = dials(table.peers.redial(node(1), 1.0))
    assert table.connect(1, 1.1, dial=dial.dial, fresh=False) == []
    (again,) = dials(table.peers.redial(node(1), 2.0))
    table.connect(1, 2.1, dial=again.dial, fresh=False)
    table.lose(1, 3.0)
    assert dials(table.peers.send(send(1, 7), 3.1))
