"""The circuit breaker of one endpoint: pure, told the time.

Closed: attempts go. Open: none does, and none is spent. Half-open: one probe goes; what it comes to closes the breaker or
opens it for twice as long.
"""

from __future__ import annotations

from typing import Final, Literal

OPENS_AFTER: Final = 10  # failed attempts in a row
OPEN_S: Final = 30.0  # at first
OPEN_MAX_S: Final = 300.0

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Counts failures in a row. `probe_at` (monotonic seconds) is when an open one lets a probe through."""

    __slots__ = ("_open_s", "failures", "probe_at", "state")

    def __init__(self) -> None:
        self.state: State = "closed"
        self.failures = 0
        self.probe_at = 0.0
        self._open_s = OPEN_S

    def allows(self, now: float, under_way: int) -> bool:
        """Whether an attempt may start. An open one whose time has come turns half-open and lets one through."""
        if self.state == "closed":
            return True
        if self.state == "open":
            if now < self.probe_at:
                return False
            self.state = "half_open"
        return under_way == 0

    def succeeded(self) -> bool:
        """An attempt was delivered. Answers whether that closed the breaker."""
        closed = self.state != "closed"
        self.state, self.failures, self._open_s = "closed", 0, OPEN_S
        return closed

    def failed(self, now: float) -> bool:
        """An attempt failed. Answers whether that opened the breaker."""
        self.failures += 1
        if self.state == "open" or (self.state == "closed" and self.failures < OPENS_AFTER):
            return False  # what was under way when it opened says nothing new
        if self.state == "half_open":
            self._open_s = min(self._open_s * 2, OPEN_MAX_S)
        self.state, self.probe_at = "open", now + self._open_s
        return True

    def probe_now(self, now: float) -> None:
        """A person asks for an attempt: do not wait for the time."""
        if self.state == "open":
            self.probe_at = now
