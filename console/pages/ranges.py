"""The time range of a page: in the URL, so that a link shows a colleague the same. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from console.pages.format import absolute

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE_MS: Final = 60_000
RANGES: Final = {
    "15m": ("15 min", 15 * MINUTE_MS),
    "1h": ("1 h", 60 * MINUTE_MS),
    "24h": ("24 h", 1440 * MINUTE_MS),
    "7d": ("7 d", 10_080 * MINUTE_MS),
}
DEFAULT: Final = "1h"
HOUR_MS: Final = 60 * MINUTE_MS
LONGEST_MS: Final = 2 * 366 * 24 * HOUR_MS
_BUCKETS_MS: Final = tuple(m * MINUTE_MS for m in (1, 2, 5, 15, 30, 60, 120, 360, 720, 1440, 10_080))
_MOST_BUCKETS: Final = 100
_MINUTES_KEPT_MS: Final = 3 * 24 * HOUR_MS  # older counts are kept by the hour


class Range(msgspec.Struct, frozen=True):
    """From (included) to (not included), in ms since the epoch. `name` is a key of RANGES or "custom"."""

    name: str
    since: int
    until: int
    now: int
    error: str = ""

    @property
    def words(self) -> str:
        """The range in words, to stand after "in"."""
        if self.name in RANGES:
            return f"the last {RANGES[self.name][0]}"
        return f"{absolute(self.since)} to {absolute(self.until)}"

    @property
    def bucket_ms(self) -> int:
        """Width of a chart's bar: the smallest step that is kept for so long and makes at most 100 bars."""
        length = self.until - self.since
        least = HOUR_MS if self.since < self.now - _MINUTES_KEPT_MS + HOUR_MS else MINUTE_MS
        return next((b for b in _BUCKETS_MS if b >= least and length / b <= _MOST_BUCKETS), _BUCKETS_MS[-1])


def parse_moment(text: str) -> int:
    """Milliseconds of an ISO 8601 time; without a zone it is UTC. Raises ValueError naming what is accepted."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as e:
        raise ValueError(f"{text!r} is no time: write it as 2026-11-23T02:14") from e
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def parse(query: Mapping[str, str], now_ms: int) -> Range:
    """The range a query string asks for; nonsense falls back to the default and says so in `error`."""
    name = query.get("range", "")
    if query.get("from") or query.get("to"):
        try:
            since = parse_moment(query["from"]) if query.get("from") else now_ms - RANGES["7d"][1]
            until = parse_moment(query["to"]) if query.get("to") else now_ms
        except ValueError as e:
            return _named(DEFAULT, now_ms, str(e))
        if since < until and until - since <= LONGEST_MS:
            return Range("custom", since, until, now_ms)
        return _named(DEFAULT, now_ms, "a range begins before it ends, and is at most two years long")
    if name and name not in RANGES:
        return _named(DEFAULT, now_ms, f"{name!r} is no range: use one of {', '.join(RANGES)}")
    return _named(name or DEFAULT, now_ms, "")


def _named(name: str, now_ms: int, error: str) -> Range:
    return Range(name, now_ms - RANGES[name][1], now_ms, now_ms, error)


def edge(at_ms: int) -> str:
    """A moment as `parse_moment` takes it, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
