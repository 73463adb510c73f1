import io

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


def test_the_proof_tells_both_latencies() -> None:
    shown = printed(
        proof_lines(
            Proof(
                call=CallProof(
                    caller="edge1", provider="edge2", procedure="r.demo.whoami", path="direct", latency_ms=3.21
                ),
                event=EventProof(publisher="edge1", subscriber="edge2", topic="r.lab.hello", latency_ms=4.56),
            )
        )
    )

    assert "edge1 -> edge2  r.demo.whoami  direct, answered in 3.2 ms" in shown
    assert "edge1 -> edge2  r.lab.hello  acknowledged in 4.6 ms" in shown


def test_what_to_try_next_names_the_topology_that_is_up() -> None:
    shown = printed(try_next("multi-hop", "macula-multi-hop", "edge_a", "r"))
    assert "make logs TOPOLOGY=multi-hop  " in shown
    assert "exec --topology multi-hop edge_a" in shown
    assert "TOPOLOGY" not in printed(try_next("mesh", "macula-mesh", "edge1", "r"))


def test_what_to_try_next_names_a_project_of_another_name() -> None:
    shown = printed(try_next("mesh", "second", "edge1", "r"))
    assert "make down PROJECT=second" in shown
    assert "exec --project second edge1" in shown
