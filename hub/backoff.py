"""How long to wait before starting a process again: hardly at first, then longer; a healthy run makes it forget."""

from __future__ import annotations

from typing import Final

DELAYS_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0)
HEALTHY_S: Final = 30.0


class Backoff:
    """One process's failures."""

    def __init__(self) -> None:
        self._failures = 0

    def after(self, lived_s: float) -> float:
        """Seconds to wait after a life of that length."""
        if lived_s >= HEALTHY_S:
            self._failures = 0
        delay = DELAYS_S[min(self._failures, len(DELAYS_S) - 1)]
        self._failures += 1
        return delay
