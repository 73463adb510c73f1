import pytest

from macula_lab.engines.netns.capabilities import BY_DEFAULT, NAMES, granted, numbers
from macula_lab.errors import LabError


@pytest.mark.parametrize(
    ("drop", "add", "expected"),
    [
        ([], [], BY_DEFAULT),
        (["ALL"], [], frozenset()),
        (["all"], ["net_admin"], {"NET_ADMIN"}),
        (["ALL"], ["CAP_NET_ADMIN", "NET_RAW"], {"NET_ADMIN", "NET_RAW"}),
        (["NET_RAW"], [], BY_DEFAULT - {"NET_RAW"}),
        (["NET_RAW"], ["NET_RAW"], BY_DEFAULT),
    ],
)
def test_a_service_has_what_a_container_would(drop: list[str], add: list[str], expected: set[str]) -> None:
    assert granted(drop, add, "services.a") == expected


@pytest.mark.parametrize(
    ("drop", "add", "told"),
    [
        ([], ["NET_ADMINS"], r"services\.a\.cap_add: there is no capability 'NET_ADMINS'"),
        (["NOTHING"], [], r"services\.a\.cap_drop: there is no capability 'NOTHING'"),
        ([], ["SYS_ADMIN"], r"services\.a\.cap_add: SYS_ADMIN would reach beyond"),
        ([], ["ALL"], r"services\.a\.cap_add: ALL would reach beyond"),
    ],
)
def test_what_cannot_be_had_is_named(drop: list[str], add: list[str], told: str) -> None:
    with pytest.raises(LabError, match=told):
        granted(drop, add, "services.a")


# include/uapi/linux/capability.h
@pytest.mark.parametrize(("name", "number"), [("CHOWN", 0), ("NET_ADMIN", 12), ("NET_RAW", 13), ("SYS_ADMIN", 21)])
def test_the_kernels_numbers(name: str, number: int) -> None:
    assert numbers(frozenset({name})) == [number]
    assert NAMES[40] == "CHECKPOINT_RESTORE"
