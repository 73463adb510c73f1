"""Which lab a command means, which engine runs it, and what `up` refuses to change under a running one."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from macula_lab import lab, records
from macula_lab.composefile.plan import Plan
from macula_lab.engines.docker.engine import DockerEngine
from macula_lab.errors import LabError
from macula_lab.lab import asked_plan, choose, find, make, open_lab, project_of, require_engine, resolve
from macula_lab.records import Record
from macula_lab.workspace import COMPOSE, topologies

FILE = """
services:
  web:
    image: nginx
    environment: {COLOUR: "${COLOUR:-red}", SIZE: "${SIZE:-small}"}
    networks: {front: {ipv4_address: "${LAB_NETWORK:-172.30}.0.5"}}
networks:
  front: {ipam: {config: [{subnet: "${LAB_NETWORK:-172.30}.0.0/24"}]}}
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("macula_lab.workspace.STATE", tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(FILE)
    return path


def record(project: str, file: Path, **environment: str) -> Record:
    return Record(project, file, "docker", environment)


def there(_record: Record) -> bool:
    return True


def known(*found: Record) -> Mapping[str, Record]:
    return {one.project: one for one in found}


def test_a_name_is_a_file_in_compose_and_a_path_is_itself(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve("mesh") == COMPOSE / "mesh.yaml"
    monkeypatch.chdir(file.parent)
    assert resolve("web.yaml") == file


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="no topology 'nosuch'") as caught:
        resolve("nosuch")

    assert ", ".join(topologies()) in caught.value.next_step


@pytest.mark.parametrize(
    ("name", "project"), [("mesh.yaml", "macula-mesh"), ("My Lab.v2.yaml", "macula-my-lab-v2"), ("é.yml", "macula-")]
)
def test_the_project_is_named_after_the_file_in_characters_that_compose_takes(name: str, project: str) -> None:
    assert project_of(Path(name)) == project


def test_a_project_of_another_form_is_refused() -> None:
    with pytest.raises(LabError, match="--project: 'My Lab' is no project name"):
        make("docker", Plan(Path("x.yaml"), {}, {}), "My Lab")


def test_the_only_lab_that_is_up_needs_no_name(file: Path) -> None:
    only = record("macula-web", file)

    assert find(known(only), "", "", there) == only
    assert find({}, "", "", there) is None


def test_of_several_labs_one_must_be_named(file: Path) -> None:
    two = known(record("a", file), record("b", COMPOSE / "mesh.yaml"))

    with pytest.raises(LabError, match=r"2 labs are up: a \(web\), b \(mesh\)"):
        find(two, "", "", there)
    assert find(two, "mesh", "", there) == two["b"]
    assert find(two, "", "a", there) == two["a"]
    assert find(two, "mesh", "a", there) is None


def test_what_is_recorded_and_not_there_is_not_meant(file: Path) -> None:
    two = known(record("a", file), record("b", file))

    assert find(two, "", "", lambda record: record.project == "b") == two["b"]
    assert find(two, "", "", lambda _record: False) is None


def test_a_file_that_is_up_twice_means_the_one_that_is_named_after_it(file: Path) -> None:
    two = known(record("macula-web", file), record("second", file))

    assert find(two, str(file), "", there) == two["macula-web"]
    assert find(two, str(file), "second", there) == two["second"]


def test_a_lab_is_opened_with_the_values_it_was_brought_up_with(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records.save(record("macula-web", file, LAB_NETWORK="10.7"))
    monkeypatch.setenv("LAB_NETWORK", "10.99")

    opened = open_lab()

    assert (opened.name, opened.project) == ("docker", "macula-web")
    assert str(opened.plan.networks["front"].subnet) == "10.7.0.0/24"


def test_no_lab_that_is_up_is_told_in_words() -> None:
    with pytest.raises(LabError, match="no lab is up"):
        open_lab()
    with pytest.raises(LabError, match="second is not up"):
        open_lab(project="second")


def test_a_lab_is_not_looked_for_on_the_other_engine(file: Path) -> None:
    require_engine(record("web", file), "")
    with pytest.raises(LabError, match="web is up on docker, not on netns"):
        require_engine(record("web", file), "netns")


def test_up_again_keeps_what_is_not_said_again(file: Path) -> None:
    before = record("web", file, COLOUR="blue")

    assert asked_plan(file, before, {}).variables == {"COLOUR": "blue"}
    assert asked_plan(file, before, {"COLOUR": "blue", "SIZE": "small"}).services["web"].environment == {
        "COLOUR": "blue",
        "SIZE": "small",
    }


def test_up_again_with_other_values_names_them(file: Path) -> None:
    before = record("web", file, COLOUR="blue")

    with pytest.raises(LabError, match="web is up with other values") as caught:
        asked_plan(file, before, {"COLOUR": "green", "SIZE": "large"})

    assert "COLOUR is blue, not green; SIZE is its default, not large" in caught.value.cause
    assert caught.value.next_step == lab.AGAIN


def test_up_again_from_another_file_is_refused(file: Path) -> None:
    with pytest.raises(LabError, match=r"web is up from .*mesh\.yaml"):
        asked_plan(file, record("web", COMPOSE / "mesh.yaml"), {})


@pytest.mark.parametrize(
    ("wanted", "environ", "answers", "installable", "namespaces", "chosen"),
    [
        ("netns", {}, True, True, True, "netns"),
        ("docker", {"LAB_ENGINE": "netns"}, False, False, True, "docker"),
        ("", {"LAB_ENGINE": "netns"}, True, True, True, "netns"),
        ("", {}, True, False, True, "docker"),
        ("", {}, False, True, True, "docker"),
        ("", {}, False, False, True, "netns"),
        ("", {"DOCKER_HOST": "tcp://away:2375"}, False, True, True, "netns"),
        ("", {}, False, False, False, "docker"),
    ],
)
def test_the_engine(
    wanted: str,
    environ: dict[str, str],
    answers: bool,
    installable: bool,
    namespaces: bool,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("macula_lab.lab.can_install", lambda: installable)
    monkeypatch.setattr("macula_lab.lab.can_have_namespaces", lambda: namespaces)

    assert choose(wanted, environ, lambda: answers) == chosen


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(LabError, match="--engine: there is no engine 'podman'"):
        choose("podman", {}, lambda: True)


def test_a_plan_is_run_by_the_engine_that_is_named() -> None:
    plan = Plan(Path("x.yaml"), {}, {})

    assert isinstance(make("docker", plan, "x"), DockerEngine)
    assert make("netns", plan, "x").name == "netns"
