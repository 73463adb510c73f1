"""The network of a mesh under load falls apart, and loses packets."""

from faulty import befall
from labs import Labs
from macula_lab.lab import NETNS


def test_two_halves_of_a_network_become_one_again(labs: Labs) -> None:
    befall(labs, NETNS, "partition")


def test_a_fifth_of_all_packets_may_be_lost(labs: Labs) -> None:
    befall(labs, NETNS, "loss")
