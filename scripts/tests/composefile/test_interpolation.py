import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macula_lab.composefile.interpolation import InterpolationError, interpolate

ENVIRON = {"X": "value", "EMPTY": "", "Y": "other", "_u1": "low"}


# Compose Specification, "Interpolation"
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing", "nothing"),
        ("", ""),
        ("$X", "value"),
        ("${X}", "value"),
        ("a${X}b$Y.c", "avaluebother.c"),
        ("$X_Y", ""),
        ("${_u1}", "low"),
        ("${UNSET}", ""),
        ("${UNSET:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${X:-default}", "value"),
        ("${UNSET-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${X-default}", "value"),
        ("${UNSET:-}", ""),
        ("${X:?must be set}", "value"),
        ("${EMPTY?must be set}", ""),
        ("${X:+instead}", "instead"),
        ("${EMPTY:+instead}", ""),
        ("${EMPTY+instead}", "instead"),
        ("${UNSET+instead}", ""),
        ("${UNSET:-${Y}}", "other"),
        ("${UNSET:-$Y}", "other"),
        ("${UNSET:-${EMPTY:-${X}}}.1", "value.1"),
        ("${UNSET:-a:b-c?d}", "a:b-c?d"),
        ("$$X", "$X"),
        ("$${X}", "${X}"),
        ("$$$X", "$value"),
        ("$$", "$"),
        ("${UNSET:-$$}", "$"),
        ("172.${UNSET:-24}.0.0/24", "172.24.0.0/24"),
    ],
)
def test_what_compose_documents(text: str, expected: str) -> None:
    assert interpolate(text, ENVIRON) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${UNSET:?say which NAT}", "UNSET must be set: say which NAT"),
        ("${EMPTY:?say which NAT}", "EMPTY must be set: say which NAT"),
        ("${UNSET?}", "UNSET must be set"),
        ("${UNSET:?see $Y}", "UNSET must be set: see other"),
        ("${X", "without its }"),
        ("${UNSET:-${X}", "without its }"),
        ("${}", "names no variable"),
        ("${1X}", "names no variable"),
        ("${X!}", "is none of"),
        ("a $ b", "begins no variable"),
        ("cost: 5$", "begins no variable"),
        ("$1", "begins no variable"),
    ],
)
def test_what_compose_refuses(text: str, told: str) -> None:
    with pytest.raises(InterpolationError, match=told.replace("$", r"\$").replace("}", r"\}")):
        interpolate(text, ENVIRON)


def test_every_variable_that_is_looked_at_is_told() -> None:
    used: list[str] = []
    interpolate("$X ${UNSET:-${Y}} $$Z ${X:-${W}}", ENVIRON, used.append)
    assert used == ["X", "UNSET", "Y", "X"]


@given(st.text())
def test_a_text_in_which_each_dollar_is_doubled_stands_for_itself(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), ENVIRON) == text


VALUES = st.none() | st.sampled_from(["", "v", "two words"])
FORMS = st.sampled_from(["${A}", "${A:-d}", "${A-d}", "${A:-${B}}", "${A-${B:-e}}", "${A:+r}", "${A+${B}}", "$A"])


@settings(deadline=None, max_examples=50)
@given(st.lists(FORMS, min_size=1, max_size=3), VALUES, VALUES)
def test_it_agrees_with_the_shell_where_both_have_the_form(forms: list[str], a: str | None, b: str | None) -> None:
    text = "/".join(forms)
    environ = {name: value for name, value in (("A", a), ("B", b)) if value is not None}
    shell = subprocess.run(
        ["/bin/sh", "-c", f'printf %s "{text}"'], env=environ, capture_output=True, text=True, check=True
    )
    assert interpolate(text, environ) == shell.stdout
