"""A data directory that becomes full or read-only, and well again."""

from collections.abc import Sequence

import pytest

from fake_lab import FakeEngine
from macula_lab.engines.contract import Finished
from macula_lab.errors import LabError
from macula_lab.events.perform import event, perform


def change(lab: FakeEngine, target: str, state: str) -> str:
    return "\n".join(perform(lab, event("disk", target, [state])).changes)


@pytest.mark.parametrize("state", ["full", "read-only", "well"])
def test_it_is_done_to_the_folder_that_the_service_itself_sees(
    lab: FakeEngine, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    ran: list[Sequence[str]] = []
    monkeypatch.setattr("macula_lab.events.disks.run", ran.append)
    monkeypatch.setattr(lab, "execute", lambda service, argv: Finished(0, "/its/own\n", ""))
    assert change(lab, "edge_a", state) == f"edge_a: /its/own is {state}"
    ((*entering, script, name, folder),) = ran
    assert entering == ["nsenter", "--target", str(lab.process("edge_a")), "--mount", "sh", "-ec"]
    assert (name, folder) == ("sh", "/its/own") and '"$1"' in script


def test_only_a_node_that_runs_has_one(lab: FakeEngine) -> None:
    with pytest.raises(LabError, match="nat_a is no node of ours"):
        change(lab, "nat_a", "full")
    with pytest.raises(LabError, match="a disk cannot be 'empty'") as caught:
        change(lab, "edge_a", "empty")
    assert caught.value.next_step == "choose one of: full, read-only, well"
    lab.kill("edge_a")
    with pytest.raises(LabError, match="edge_a does not run"):
        change(lab, "edge_a", "full")
