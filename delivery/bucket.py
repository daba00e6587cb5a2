"""The rate limit of one endpoint: a token bucket, pure. It spaces requests out; it spends no attempts."""

from __future__ import annotations

from typing import Final

BURST_S: Final = 0.1  # what may be saved up, in seconds of the rate: a limit is a limit, not an average over minutes


class Bucket:
    """`rate` requests per second; None for no limit."""

    __slots__ = ("_at", "_capacity", "_rate", "_tokens")

    def __init__(self, rate: float | None, now: float) -> None:
        self._tokens, self._at = 1.0, now
        self.set_rate(rate, now)

    def set_rate(self, rate: float | None, now: float) -> None:
        """The endpoint's setting changed."""
        self._rate = rate
        self._capacity = max(1.0, (rate or 0.0) * BURST_S)
        self._tokens, self._at = min(self._tokens, self._capacity), now

    def take(self, now: float) -> float:
        """Take a token for a request. Answers 0, or seconds until there is one."""
        if self._rate is None:
            return 0.0
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate
