"""One endpoint as the worker serves it: what is queued, what is under way, how quick it is, and its requests.

Isolation in small: each endpoint has its own queue and its own in-flight limit; `load` tells whether it keeps up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from delivery import sign
from delivery.http import Request
from delivery.spill import Delay, Load

if TYPE_CHECKING:
    from delivery.item import Item
    from delivery.outcome import Outcome
    from runtime.config import Endpoint
    from schemas.records import Delivery

_SMOOTHING: Final = 0.2
USER_AGENT: Final = "Hookstream/0.1 (+webhooks)"


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
        """Serve this version of the endpoint from now on. Raises ValueError when a secret is not usable."""
        self.endpoint = endpoint
        self.limit = endpoint.config.max_in_flight
        self._keys = [(s, sign.key_bytes(s.value)) for s in endpoint.secrets]
        self._lines = [
            "Content-Type: application/json",
            f"User-Agent: {USER_AGENT}",
            "Accept: */*",
            "Expect:",  # libcurl would wait for 100-continue on larger bodies
            *(f"{name}: {value}" for name, value in endpoint.headers.items()),
        ]

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
        timestamp_s = now_ms // 1000
        keys = [key for secret, key in self._keys if secret.active(now_ms)]
        lines = [
            *self._lines,
            f"webhook-id: {delivery.webhook_id}",
            f"webhook-timestamp: {timestamp_s}",
            f"webhook-signature: {sign.signature(keys, delivery.webhook_id, timestamp_s, delivery.payload)}",
            f"x-hookstream-event: {delivery.event_type}",
            f"x-hookstream-delivery: {delivery.id}",
            f"x-hookstream-attempt: {delivery.attempt}",
            f"x-hookstream-sequence: {delivery.sequence}",
        ]
        if delivery.replay_id is not None:
            lines.append(f"x-hookstream-replay: {delivery.replay_id}")
        config = self.endpoint.config
        return Request(url=config.url, headers=lines, body=delivery.payload, timeout_s=config.timeout_s)
