"""Nodes of a mesh under load die, end, hang and come back: what they were doing goes on elsewhere, and is done once."""

import pytest

from faulty import befall
from labs import Labs
from macula_lab.lab import DOCKER, NETNS


@pytest.mark.parametrize("engine", [NETNS, DOCKER])
@pytest.mark.parametrize("name", ["kill", "bootstrap-restart"])
def test_a_node_that_is_gone_is_replaced_and_comes_back(labs: Labs, engine: str, name: str) -> None:
    befall(labs, engine, name)


def test_a_provider_that_stops_loses_no_call(labs: Labs) -> None:
    befall(labs, NETNS, "stop")


def test_a_node_that_hangs_for_half_a_minute_goes_on(labs: Labs) -> None:
    befall(labs, NETNS, "pause")
