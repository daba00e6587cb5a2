"""Provider times to milliseconds since the epoch, and back to ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_END_MS: Final = 253_402_300_800_000  # year 10000


def parse(text: str) -> int:
    """Milliseconds of an ISO 8601 time; one without an offset is UTC. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
        return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MS
    except (ValueError, OverflowError) as e:
        raise ValueError(f"{text[:40]!r} is no time: want ISO 8601, such as 2026-01-31T12:00:00Z") from e


def from_seconds(seconds: int) -> int:
    """Milliseconds of a Unix time. Raises ValueError when it is none."""
    return check(seconds * 1000)


def check(ms: int) -> int:
    """The same milliseconds. Raises ValueError when no calendar shows them."""
    if not 0 <= ms < _END_MS:
        raise ValueError(f"{ms} is no time in milliseconds since 1970")
    return ms


@lru_cache(maxsize=4096)
def show(ms: int) -> str:
    """2026-01-31T12:00:00.000Z. Raises ValueError beyond the calendar."""
    try:
        return f"{(_EPOCH + _MS * ms).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    except OverflowError as e:
        raise ValueError(f"{ms} is no time in milliseconds since 1970") from e
