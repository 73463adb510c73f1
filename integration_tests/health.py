"""The four cases that Macula 0.17's two suites share."""

import json

from asking import eventually, ids, lookup
from suites import SuiteMesh

_ASK = (
    "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8080, timeout=5); "
    "c.request('GET', sys.argv[1]); r = c.getresponse(); print(r.status); print(r.read().decode())"
)


def check_healthy(mesh: SuiteMesh, service: str, mode: str) -> None:
    """The node says so itself, over HTTP, is connected to the bootstrap (or, being it, to all others), and answered."""
    for path, word in (("/health", "healthy"), ("/ready", "ready"), ("/live", "alive")):
        asked = mesh.execute(service, ["python3", "-c", _ASK, path])
        assert asked.code == 0, asked.stderr
        http_status, body = asked.stdout.split("\n", 1)
        assert (http_status, json.loads(body)["status"]) == ("200", word)

    status = mesh.status(service)
    assert (status.ready, status.mode, status.name) == (True, mode, service)
    connected = {peer.name for peer in status.peers}
    expected = set(mesh.nodes()) - {"bootstrap"} if service == "bootstrap" else {"bootstrap"}
    assert connected >= expected
    node_ids = ids(mesh)
    # A connection may be a dead one: a record is held by who has answered just now.
    holders = lookup(mesh, service, node_ids["bootstrap"], "peer")["holders"]
    assert set(holders) >= {node_ids[name] for name in expected & mesh.servers}


def check_discovery(mesh: SuiteMesh) -> None:
    """Every node has every other one that keeps records in its routing table, and all are found by their ids."""
    node_ids = ids(mesh)
    contacts = {service: len(mesh.servers - {service}) for service in node_ids}
    eventually("all know all", lambda: {service: mesh.status(service).dht.nodes for service in node_ids} == contacts)
    for service, node_id in node_ids.items():
        asker = mesh.edges[0] if service != mesh.edges[0] else mesh.edges[1]
        answer = lookup(mesh, asker, node_id, "peer")
        (found,) = answer["found"]
        assert (found["node_id"], found["name"]) == (node_id, service)
        # Fewer nodes than k: all hold it, and all have answered.
        assert set(answer["holders"]) >= {node_ids[server] for server in mesh.servers - {asker}}
