"""Settings of a node as a container gets them: by environment, under both their names."""

import json

import pytest

from asking import REALM, peer_names
from macula_lab.mesh.mesh import Mesh
from standalone import standalone


def test_a_node_enters_by_the_settings_of_macula_0_17(churn: Mesh) -> None:
    network = f"{churn.project}_mesh"
    environment = {
        "NODE_NAME": "alias",
        "MACULA_REALM": REALM,
        "P2P_LISTEN_PORT": "9555",
        "P2P_BOOTSTRAP_PEERS": f"https://{churn.address('bootstrap')}:9443",
        "HEALTH_PORT": "8181",
    }
    with standalone(environment, network=network) as node:
        status = node.status(peers=5)

        assert (status["name"], status["listen"], status["mode"]) == ("alias", "0.0.0.0:9555", "edge")
        assert {peer["name"] for peer in status["peers"]} == set(churn.nodes())
        (entry,) = [peer for peer in churn.status("bootstrap").peers if peer.name == "alias"]
        assert entry.address.endswith(":9555"), "it dials from the port it listens on"
        node.stop()
        assert node.exit_code() == 0
        assert "alias" not in peer_names(churn, "bootstrap")


def test_a_relay_server_is_an_entry_too(churn: Mesh) -> None:
    environment = {
        "MACULA_REALM": REALM,
        "P2P_RELAY_SERVERS": f"{churn.address('gateway')}:9443",
        "MACULA_NODE_NAME": "relayed",
    }
    with standalone(environment, network=f"{churn.project}_mesh") as node:
        assert {peer["name"] for peer in node.status(peers=5)["peers"]} == set(churn.nodes())
        node.stop()


def test_a_setting_has_the_alias_only_where_its_own_name_is_not_set() -> None:
    environment = {"MACULA_QUIC_PORT": "9444", "P2P_LISTEN_PORT": "9555"}
    with standalone(environment, command=["macula", "settings", "--json"]) as node:
        assert node.exit_code() == 0
        (port,) = [setting for setting in json.loads(node.log()) if setting["name"] == "port"]

        assert (port["value"], port["source"]) == ("9444", "MACULA_QUIC_PORT")


@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("MACULA_MODE", "router", "mode"),
        ("MACULA_QUIC_PORT", "70000", "port"),
        ("P2P_LISTEN_PORT", "nine", "port"),
        ("P2P_BOOTSTRAP_PEERS", "172.21.0.10:high", "bootstrap"),
        ("P2P_RELAY_SERVERS", "http://relay:9443", "relays"),
        ("MACULA_RECORD_TTL", "1", "record_ttl"),
        ("MACULA_ADVERTISE", "172.21.0.31:high", "advertise"),
        ("MACULA_DATA_DIR", "/proc/nothing", "data_dir"),
    ],
)
def test_a_wrong_value_ends_the_node_and_is_named(variable: str, value: str, setting: str) -> None:
    with standalone({variable: value}) as node:
        assert node.exit_code() == 2
        told = node.log()

        assert setting in told
        assert variable in told
        assert "Traceback" not in told
        assert len(told.splitlines()) <= 3, told


def test_an_unknown_variable_is_warned_about_and_harmless() -> None:
    with standalone({"MACULA_QUIC_PROT": "9444", "MACULA_MODE": "bootstrap"}) as node:
        assert node.status(peers=0)["listen"] == "0.0.0.0:9443"
        assert "MACULA_QUIC_PROT" in node.log()
