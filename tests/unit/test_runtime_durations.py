"""Durations: what people write is read, shown again, and refused with words when it is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.durations import parse, parse_schedule, show


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("5s", 5), (" 1.5 m ", 90), ("250ms", 0.25), ("2h", 7200), ("3d", 259200), ("0", 0), ("0.5h", 1800)],
)
def test_durations_people_write(text: str, seconds: float) -> None:
    assert parse(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 weeks", "1e3", "5s5s", "1.s", "∞", "nan", "5S", "0x5"])
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30m") as raised:
        parse(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0,5s,5m", (5, 300)),
        ("5s, 5m", (5, 300)),
        ("[0, 5s]", (5,)),
        ("0", ()),
        ("", ()),
        ("5s,,1m,", (5, 60)),
        ("1m,0,1m", (60, 0, 60)),
    ],
)
def test_schedules(text: str, seconds: tuple[float, ...]) -> None:
    assert parse_schedule(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(300, "5m"), (90, "90s"), (86400, "1d"), (0.25, "0.25s"), (0, "0s"), (36000, "10h")]
)
def test_durations_are_shown_in_the_largest_whole_unit(seconds: float, text: str) -> None:
    assert show(seconds) == text


@given(st.integers(0, 10**9))
def test_what_is_shown_is_read_back(seconds: int) -> None:
    assert parse(show(seconds)) == seconds
