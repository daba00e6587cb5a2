"""How long an endpoint has been failing, and when that is news: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from schemas.records import EndpointStanding

FAILING_AFTER: Final = 4  # failed attempts in a row: one or two are everyday
DISABLE_LEAST: Final = 10  # failed attempts without which no time is long enough: a rare event may fail twice

News = Literal["failing", "recovered", "given_up"]


class Health:
    """Failures in a row. `failing_from_ms` is when the first of them began, ms since the epoch."""

    __slots__ = ("failing_from_ms", "failures", "told")

    def __init__(self) -> None:
        self.failing_from_ms: int | None = None
        self.failures = 0
        self.told = False  # that it is failing

    def recall(self, standing: EndpointStanding | None) -> None:
        """What an earlier life of the worker, or another worker, knew."""
        if standing is not None and standing.failing_from_at is not None:
            self.failing_from_ms, self.failures, self.told = standing.failing_from_at, standing.failures, True

    def learn(self, *, delivered: bool, started_ms: int, now_ms: int, disable_after_s: float) -> News | None:
        """Take an attempt in. Answers what is to be told: that it fails, that it is well again, that it is given up."""
        if delivered:
            recovered, self.failing_from_ms, self.failures, self.told = self.told, None, 0, False
            return "recovered" if recovered else None
        self.failures += 1
        if self.failing_from_ms is None:
            self.failing_from_ms = started_ms
        if self.failures >= DISABLE_LEAST and now_ms - self.failing_from_ms >= disable_after_s * 1000:
            return "given_up"
        if not self.told and self.failures >= FAILING_AFTER:
            self.told = True
            return "failing"
        return None
