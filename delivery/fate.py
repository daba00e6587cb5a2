"""What can become of a delivery without an attempt: dead, superseded, moved to a retry topic, or nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from delivery import records, tiers
from runtime import metrics

if TYPE_CHECKING:
    from delivery.item import Due, Held
    from delivery.outbox import Outbox
    from runtime.clock import Clock


class Fate:
    """Writes what becomes of an item and finishes it. An item whose partition is another's now is left alone."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox, self._clock = outbox, clock

    def bury(self, item: Due, cause: str) -> None:
        """Give it up."""
        if not item.tracker.revoked:
            self._outbox.bury(item, records.buried(item.delivery, cause))
            self._outbox.finish(item)

    def supersede(self, item: Due) -> None:
        """Do not send it: a newer event of its object is there."""
        if not item.tracker.revoked:
            metrics.SUPERSEDED.inc()
            self._outbox.attempted(item, records.superseded(item, self._clock.now_ms()))
            self._outbox.finish(item)

    def move(self, item: Due, delay_s: float, why: str) -> None:
        """Let it wait in a retry topic, no attempt spent."""
        if not item.tracker.revoked:
            delay_s = max(delay_s, 0.0)
            not_before = max(item.delivery.not_before, self._clock.now_ms() + round(delay_s * 1000))
            self._outbox.wait_in(item, tiers.choose(delay_s), records.moved(item.delivery, not_before), why)
            self._outbox.finish(item)

    def drop(self, item: Held) -> None:
        """Nothing comes of it: it was a repeat, or a command that has been carried out."""
        self._outbox.finish(item)
