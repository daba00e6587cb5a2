"""Times: any ISO 8601 in, milliseconds, UTC out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import times


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-09-01T10:15:00+02:00", "2026-09-01T08:15:00.000Z"),
        ("2026-09-01T08:15:00Z", "2026-09-01T08:15:00.000Z"),
        ("2026-09-01T08:15:00", "2026-09-01T08:15:00.000Z"),
        ("2024-08-07T22:48:27.480992003Z", "2024-08-07T22:48:27.480Z"),
        ("2026-09-01", "2026-09-01T00:00:00.000Z"),
    ],
)
def test_iso_times_are_utc(text, wanted):
    assert times.show(times.parse(text)) == wanted


@given(ms=st.integers(0, 253_402_300_799_999))
def test_what_is_shown_is_parsed_to_the_same_millisecond(ms):
    assert times.parse(times.show(ms)) == ms == times.check(ms)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01T00:00:00+23:59x"])
def test_no_time_is_refused_in_words(text):
    with pytest.raises(ValueError, match="want ISO 8601"):
        times.parse(text)


@pytest.mark.parametrize("ms", [-1, 253_402_300_800_000, 10**18])
def test_a_number_beyond_the_calendar_is_refused(ms):
    with pytest.raises(ValueError, match="is no time"):
        times.check(ms)


def test_seconds_are_checked_too():
    assert times.from_seconds(1_788_250_600) == 1_788_250_600_000
    with pytest.raises(ValueError, match="is no time"):
        times.from_seconds(10**12)
