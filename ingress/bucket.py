"""A token bucket: how often something may happen, on average and at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.clock import Clock


class TokenBucket:
    """Lets `burst` through at once and `rate` a second from then on."""

    def __init__(self, clock: Clock, *, rate: float, burst: float) -> None:
        self._clock, self._rate, self._burst = clock, rate, burst
        self._tokens = burst
        self._at = clock.monotonic()

    def take(self) -> bool:
        """Whether one more may happen now."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
