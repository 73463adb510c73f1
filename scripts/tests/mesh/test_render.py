import io
from typing import Any

from rich.console import Console, RenderableType

from builders import member, node_status
from macula_lab.mesh.models import CallProof, EventProof, Member, Peer, Proof
from macula_lab.mesh.render import members_table, peer_line, proof_lines, try_next


def printed(what: RenderableType) -> str:
    output = io.StringIO()
    Console(file=output, width=120).print(what)
    return output.getvalue()


def table(members: list[Member]) -> str:
    return printed(members_table("macula-mesh", members))


def test_a_node_is_shown_with_id_dht_entries_and_peers() -> None:
    shown = table([member("edge1", node_status("a", ["b"])), member("edge2", node_status("b", ["a"]))])

    assert "aaaaaaaaaa" in shown
    assert "172.21.0.31" in shown
    assert "edge2 direct 0.4 ms" in shown


def test_a_node_that_does_not_answer_is_shown_with_its_state() -> None:
    assert "exited (1), no answer" in table([member("edge1", None, state="exited (1)")])


def test_a_router_is_not_expected_to_answer() -> None:
    shown = table([member("router_1", None, role="router")])

    assert "running" in shown
    assert "no answer" not in shown


def test_a_peer_line_tells_name_path_round_trip_and_routers() -> None:
    peer = Peer(
        node_id="x", short_id="x1", name="edge_c", address="172.22.3.33:9443", path="direct", rtt_ms=1.25, hops=2
    )

    assert peer_line(peer, {}) == "edge_c direct 1.2 ms over 2 routers"
    assert peer_line(peer.model_copy(update={"hops": 1, "rtt_ms": None}), {}) == "edge_c direct over 1 router"
    assert peer_line(peer.model_copy(update={"name": None, "hops": 0}), {}) == "x1 direct 1.2 ms"


def test_hosts_of_other_programs_are_shown_with_their_image_and_state() -> None:
    shown = table(
        [
            Member(service="turn", role="", state="running", address="10.7.0.5", image="coturn", nat="behind nat_a"),
            Member(service="nat_a", role="router", state="running", address="10.7.0.3 10.7.1.3", nat="symmetric"),
        ]
    )

    assert "DHT" not in shown
    assert [word for word in ("coturn", "behind nat_a", "symmetric", "10.7.1.3", "state") if word not in shown] == []


def test_a_router_is_shown_with_its_nat_beside_nodes() -> None:
    routers = [member("nat_a", None, role="router").model_copy(update={"nat": "symmetric, behind cgn"})]
    shown = table([member("edge1", node_status("a", [])), *routers])

    assert "symmetric" in shown
    assert "behind cgn" in shown
    assert "none" in shown, "a node without a peer"


def proof(**changes: Any) -> Proof:
    call = CallProof(caller="edge1", provider="edge2", procedure="r.demo.whoami", path="relayed", latency_ms=3.21)
    event = EventProof(publisher="edge1", subscriber="edge2", topic="r.lab.hello", latency_ms=4.56)
    return Proof(calls=[call], event=event, cut_off={}).model_copy(update=changes)


def test_the_proof_tells_both_latencies() -> None:
    shown = printed(proof_lines(proof()))

    assert "edge1 -> edge2  r.demo.whoami  relayed, answered in 3.2 ms" in shown
    assert "edge1 -> edge2  r.lab.hello  acknowledged in 4.6 ms" in shown


def test_the_proof_tells_who_is_cut_off_and_why() -> None:
    call = CallProof(caller="edge1", provider="edge2", procedure="r.demo.whoami", path="none")
    shown = printed(proof_lines(proof(calls=[call], event=None, cut_off={"edge1": "nat_a lets no UDP out"})))

    assert "edge1 -> edge2  r.demo.whoami  not reached, as it must be" in shown
    assert "cut off, as it must be: edge1, nat_a lets no UDP out" in shown


def test_what_to_try_next_names_the_lab_where_there_are_several() -> None:
    alone = printed(try_next([], "edge_a", "r", ""))
    one_of_many = printed(try_next(["--project", "second"], "edge_a", "r", ""))

    assert "macula-lab exec edge_a -- macula call r.demo.add" in alone
    assert "macula-lab down\n" in alone
    assert "macula-lab exec --project second edge_a" in one_of_many
    assert "macula-lab down --project second" in one_of_many


def test_what_to_try_next_with_a_nat() -> None:
    shown = printed(try_next([], "edge_a", "r", "nat_a"))

    assert "macula-lab event nat-reboot nat_a" in shown
    assert "macula-lab link nat_a --delay 40 --loss 2" in shown
