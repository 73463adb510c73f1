"""What is believed of a mapping that was left alone."""

from macula_lab.probe.measure.idle import conclusive
from macula_lab.probe.observations import Idle, Story

LIFETIME = 2.0


def test_a_mapping_that_should_live_is_looked_at_again_only_when_that_was_late() -> None:
    for story in (Story.KEPT, Story.RENEWED, Story.ANSWERED):
        assert conclusive(Idle(story, idle=1.5, alive=True), LIFETIME)
        assert conclusive(Idle(story, idle=1.5, alive=False), LIFETIME)
        assert not conclusive(Idle(story, idle=2.5, alive=False), LIFETIME)


def test_what_is_in_the_way_of_an_ended_mapping_is_looked_at_again() -> None:
    assert conclusive(Idle(Story.GONE, idle=2.5, alive=False), LIFETIME)
    assert not conclusive(Idle(Story.GONE, idle=2.5, alive=False, obstructed=True), LIFETIME)


def test_that_packets_from_outside_keep_a_mapping_alive_is_looked_at_again() -> None:
    assert conclusive(Idle(Story.INBOUND, idle=2.5, alive=False), LIFETIME)
    assert not conclusive(Idle(Story.INBOUND, idle=2.5, alive=True), LIFETIME)
