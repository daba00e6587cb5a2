"""The time seam: stages ask a Clock, tests hand in one that stands still."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time. `now_ms` is wall time for records, `monotonic` is for measuring and waiting."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never steps back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds of a clock that never steps back."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to; ships here so that every stage's tests share one."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds, in step with `now_ms`."""
        return self._now_ms / 1000

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._now_ms += round(seconds * 1000)
