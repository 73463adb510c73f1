from __future__ import annotations

from macula.rpc.history import History
from macula.rpc.settings import RpcSettings

from .playbook import incoming, node, reply

ALICE, BOB = node(1), node(2)


def test_a_repeat_gets_the_same_reply_from_its_own_caller_only() -> None:
    history = History(RpcSettings())
    answer = reply(incoming(1))
    history.add(ALICE, answer, 0.0)
    assert history.find(ALICE, incoming(1), 1.0) == answer
    assert history.find(BOB, incoming(1), 1.0) is None
    assert history.find(ALICE, incoming(2), 1.0) is None


def test_the_id_is_remembered_longer_than_the_reply() -> None:
    history = History(RpcSettings(reply_keep=10.0))
    history.add(ALICE, reply(incoming(1)), 0.0)
    gone = history.find(ALICE, incoming(1), 10.0)
    assert gone is not None
    assert (gone.error, gone.result, gone.call_id) == ("remote", b"", incoming(1).call_id)


def test_the_bytes_of_replies_are_bounded() -> None:
    history = History(RpcSettings(max_reply_bytes=2000))
    for number in range(4):
        history.add(ALICE, reply(incoming(number), result=b"x" * 600), 0.0)
    found = [history.find(ALICE, incoming(number), 0.0) for number in range(4)]
    assert [answer.error if answer else None for answer in found] == ["remote", "remote", "", ""]


def test_no_reply_is_kept_for_an_id_that_is_forgotten() -> None:
    history = History(RpcSettings(max_finished_per_peer=2, max_reply_bytes=2000))
    history.add(BOB, reply(incoming(1)), 0.0)
    for number in range(100):
        history.add(ALICE, reply(incoming(number), result=b"x" * 400), 0.0)
        history.add(ALICE, reply(incoming(number), result=b"x" * 400), 0.0)
    found = [history.find(ALICE, incoming(number), 0.0) for number in (97, 98, 99)]
    assert [answer and answer.error for answer in found] == [None, "", ""]
    kept = history.find(BOB, incoming(1), 0.0)
    assert kept is not None and not kept.error, "those that are forgotten took no room"


def test_one_caller_cannot_push_out_the_ids_of_another() -> None:
    history = History(RpcSettings(max_finished_per_peer=3))
    history.add(ALICE, reply(incoming(1)), 0.0)
    for number in range(100):
        history.add(BOB, reply(incoming(number)), 0.0)
    assert history.find(ALICE, incoming(1), 0.0) is not None
    assert history.find(BOB, incoming(96), 0.0) is None
    assert history.find(BOB, incoming(97), 0.0) is not None


def test_a_caller_that_was_forgotten_and_repeats_itself_takes_no_more_room() -> None:
    history = History(RpcSettings(max_finished_peers=2, max_reply_bytes=2000))
    for _ in range(100):
        for peer in (ALICE, BOB, node(3)):
            history.add(peer, reply(incoming(1), result=b"x" * 400), 0.0)
    found = [history.find(peer, incoming(1), 0.0) for peer in (BOB, node(3))]
    assert [answer and answer.error for answer in found] == ["", ""]


def test_the_number_of_callers_is_bounded() -> None:
    history = History(RpcSettings(max_finished_peers=2))
    for peer in (ALICE, BOB, node(3)):
        history.add(peer, reply(incoming(1)), 0.0)
    assert history.find(ALICE, incoming(1), 0.0) is None
    assert history.find(node(3), incoming(1), 0.0) is not None
