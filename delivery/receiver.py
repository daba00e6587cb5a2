"""One endpoint as the worker serves it: what is queued, what is under way, how quick it is, and its requests.

Isolation in small: each endpoint has its own queue and its own in-flight limit; `load` tells whether it keeps up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from delivery.request import RequestBuilder
from delivery.spill import Delay, Load

if TYPE_CHECKING:
    from delivery.item import Item
    from delivery.outcome import Outcome
    from delivery.transfer import Request
    from runtime.config import Endpoint
    from schemas.records import Delivery

_SMOOTHING: Final = 0.2


class Receiver:
    """State of one endpoint in this worker. Not shared between threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.queue: deque[Item] = deque()
        self.under_way: dict[int, float] = {}  # id(item) -> start, monotonic seconds; oldest first
        self.answer_s = 0.0  # smoothed duration of its attempts
        self.spill_delay = Delay()
        self.waiting_for_turn = False  # stands in the worker's ring
        self.take(endpoint)

    def take(self, endpoint: Endpoint) -> None:
        """Serve this version of the endpoint from now on. Raises ValueError when it cannot be served as configured."""
        self.endpoint = endpoint
        self.limit = endpoint.config.max_in_flight
        self._requests = RequestBuilder(endpoint)

    @property
    def ready(self) -> bool:
        """Whether a request may be started now, as far as this endpoint is concerned."""
        return bool(self.queue) and len(self.under_way) < self.limit

    def load(self, now: float) -> Load:
        """What is queued and the pace: the oldest attempt under way tells of a hanging receiver before any has ended."""
        oldest = next(iter(self.under_way.values()), now)
        return Load(len(self.queue), max(self.answer_s, now - oldest) / self.limit)

    def begin(self, item: Item, now: float) -> None:
        """An attempt starts."""
        self.under_way[id(item)] = now

    def end(self, item: Item, outcome: Outcome) -> None:
        """An attempt ended."""
        self.under_way.pop(id(item), None)
        self.answer_s += _SMOOTHING * (outcome.total_ms / 1000 - self.answer_s)
        if outcome.delivered:
            self.spill_delay.delivered()

    def request(self, delivery: Delivery, now_ms: int) -> Request:
        """The signed request of one attempt."""
        return self._requests.build(
            webhook_id=delivery.webhook_id,
            payload=delivery.payload,
            event_type=delivery.event_type,
            delivery_id=delivery.id,
            attempt=delivery.attempt,
            sequence=delivery.sequence,
            replay_id=delivery.replay_id,
            now_ms=now_ms,
        )
