"""A bootstrap is who it was: one that answers with another key is refused until a person accepts it."""

import re
import shlex

from testcontainers.core.network import Network

from asking import eventually
from standalone import Standalone, standalone

ADDRESS = "entry:9443"
REFUSED = re.compile(r'bootstrap\.failed .*bad_identity.* remedy="([^"]+)"')


def test_a_bootstrap_that_changed_its_key_is_accepted_by_the_remedy_that_the_log_names() -> None:
    quick = {"MACULA_BOOTSTRAP_PEERS": ADDRESS, "MACULA_RECONNECT_INTERVAL": "0.2", "MACULA_CONNECT_TIMEOUT": "2"}
    with (
        Network() as network,
        standalone({"MACULA_MODE": "bootstrap"}, network=network, alias="entry") as bootstrap,
        standalone(quick, network=network) as edge,
    ):
        before = edge.status(peers=1)["peers"][0]["node_id"]

        bootstrap.run("rm", "/var/lib/macula/identity.key")
        bootstrap.restart()
        after = bootstrap.status(peers=0)["node_id"]
        assert after != before

        remedy, *_ = eventually("the refusal is logged", lambda: REFUSED.findall(edge.log()))
        assert remedy == f"macula pins forget {ADDRESS}"
        assert edge.status(peers=0)["node_id"]
        edge.restart()
        refusals = len(REFUSED.findall(edge.log()))
        eventually("a restart alone does not help", lambda: len(REFUSED.findall(edge.log())) > refusals)

        assert before in edge.run(*shlex.split(remedy))
        edge.restart()
        assert edge.status(peers=1)["peers"][0]["node_id"] == after


def test_a_bootstrap_that_is_away_is_tried_less_and_less_often() -> None:
    quick = {
        "MACULA_BOOTSTRAP_PEERS": "127.0.0.1:9",
        "MACULA_RECONNECT_INTERVAL": "0.2",
        "MACULA_CONNECT_TIMEOUT": "0.2",
    }
    with standalone(quick) as edge:
        eventually("four attempts", lambda: len(delays(edge)) >= 4)

        for attempt, delay in enumerate(delays(edge)[:4]):
            assert 0.49 < delay / (0.2 * 2**attempt) < 1.51, "doubled each time, give or take a half"


def delays(node: Standalone) -> list[float]:
    """The seconds before each further attempt that a node has written down, in tenths."""
    return [float(delay) for delay in re.findall(r"bootstrap\.failed .*next_in=([\d.]+)", node.log())]
