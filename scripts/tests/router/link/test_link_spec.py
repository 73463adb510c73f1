"""What a link is asked to do, as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macula_lab.errors import LabError
from macula_lab.router.link.spec import KEYS, LinkSpec, parse

percent = st.floats(0, 100)
specs = st.builds(
    lambda delay, share, loss, rate, reorder, duplicate: LinkSpec(
        delay, delay * share, loss, rate, reorder if delay else 0, duplicate
    ),
    st.floats(0, 10_000),
    st.floats(0, 1),
    percent,
    st.one_of(st.just(0), st.integers(1_000, 10_000_000_000)),
    percent,
    percent,
)


@settings(derandomize=True, deadline=None, database=None)
@given(specs)
def test_text_round_trip(spec: LinkSpec) -> None:
    assert parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("", LinkSpec()),
        ("none", LinkSpec()),
        (" , ", LinkSpec()),
        ("delay=0", LinkSpec()),
        ("delay=25", LinkSpec(delay=25)),
        (
            "delay=25,jitter=5,loss=1,rate=10mbit,reorder=1,duplicate=1",
            LinkSpec(delay=25, jitter=5, loss=1, rate=10_000_000, reorder=1, duplicate=1),
        ),
        (" loss = 0.5 , delay = 1.25 ", LinkSpec(delay=1.25, loss=0.5)),
        ("rate=8000", LinkSpec(rate=8_000)),
        ("rate=8000bit", LinkSpec(rate=8_000)),
        ("rate=512kbit", LinkSpec(rate=512_000)),
        ("rate=2.5Gbit", LinkSpec(rate=2_500_000_000)),
    ],
)
def test_what_is_understood(text: str, spec: LinkSpec) -> None:
    assert parse(text) == spec


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (LinkSpec(), "none"),
        (LinkSpec(delay=25, jitter=0.5), "delay=25,jitter=0.5"),
        (LinkSpec(rate=10_000_000), "rate=10mbit"),
        (LinkSpec(rate=1_500_000), "rate=1500kbit"),
        (LinkSpec(rate=1_001), "rate=1001bit"),
        (LinkSpec(loss=100), "loss=100"),
    ],
)
def test_how_it_is_written(spec: LinkSpec, text: str) -> None:
    assert str(spec) == text


@pytest.mark.parametrize("key", KEYS)
def test_a_link_that_does_something_is_true(key: str) -> None:
    assert LinkSpec(**{"delay": 10, key: 1_000 if key == "rate" else 1})
    assert not LinkSpec()


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("dealy=25", "dealy", "there are delay, jitter, loss, rate, reorder, duplicate"),
        ("25", "25", "not a property"),
        ("delay", "delay", "not a property"),
        ("=5", "", "not a property"),
        ("delay=5,delay=6", "delay", "twice"),
        ("delay=25ms", "delay", "'25ms' is not a number of ms"),
        ("delay=", "delay", "'' is not a number"),
        ("loss=nan", "loss", "'nan' is not a number of percent"),
        ("delay=inf", "delay", "'inf' is not a number"),
        ("delay=-1", "delay", "-1 is not within 0 to 10000 ms"),
        ("delay=10001", "delay", "10001 is not within 0 to 10000 ms"),
        ("jitter=1", "jitter", "1 is not within 0 to 0 ms, the delay that it varies"),
        ("delay=5,jitter=6", "jitter", "6 is not within 0 to 5 ms"),
        ("loss=100.5", "loss", "100.5 is not within 0 to 100 %"),
        ("delay=1,reorder=101", "reorder", "101 is not within 0 to 100 %"),
        ("reorder=1", "reorder", "give a delay too"),
        ("duplicate=-0.1", "duplicate", "-0.1 is not within 0 to 100 %"),
        ("rate=fast", "rate", "'fast' is not a number of bit/s, such as 10mbit"),
        ("rate=10mb", "rate", "'10mb' is not a number of bit/s"),
        ("rate=infmbit", "rate", "'inf' is not a number of bit/s"),
        ("rate=999", "rate", "999 is not within 1000 to 10000000000 bit/s"),
        ("rate=11gbit", "rate", "11000000000 is not within 1000 to 10000000000 bit/s"),
        ("none,delay=5", "none", "not a property"),
    ],
)
def test_every_error_names_its_key_and_the_limit(text: str, key: str, says: str) -> None:
    with pytest.raises(LabError) as error:
        parse(text)
    assert str(error.value).startswith(f"{key}: ")
    assert says in str(error.value)
