"""One endpoint as this worker sees it: what waits for it here and in `deliveries.held`, its limits, what an attempt sends."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal

from delivery import batch
from delivery.breaker import Breaker
from delivery.bucket import Bucket
from delivery.health import Health
from delivery.line import Line
from delivery.pace import InFlightLimit
from delivery.request import RequestBuilder
from delivery.spill import Delay, Load

if TYPE_CHECKING:
    from delivery.item import Due
    from delivery.outcome import Outcome
    from delivery.transfer import Request
    from runtime.config import Endpoint

_SMOOTHING: Final = 0.2
LAGS_AFTER_S: Final = 1.0  # an endpoint whose oldest request is out for longer is as bad as one that fails

Trust = Literal["new", "proven", "bad"]
"""What its last request says of an endpoint: nothing yet, that it answers, that it does not."""


class Receiver:
    """State of one endpoint in this worker. Not shared between threads."""

    def __init__(self, endpoint: Endpoint, now: float) -> None:
        self.queue: deque[Due] = deque()
        self.rest = Line()  # unordered: what did not fit into the queue
        self.lines: dict[str, Line] = {}  # ordered: one an object
        self.hungry: deque[str] = deque()  # ordered: lines whose head lies in Kafka and may go
        self.under_way: dict[int, float] = {}  # id(item) -> start, monotonic seconds; oldest first
        self.requests = 0  # of them: a batch is one
        self.answer_s = 0.0  # smoothed duration of its attempts
        self.waiting_for_turn = False  # stands in the worker's ring
        self.trust: Trust = "new"
        self.spill_delay = Delay()  # of what is moved to a retry topic because it cannot keep up
        self.fetching = False  # a record of `rest` is on its way
        self.deleted = False
        self.broken: str | None = None  # why its configuration cannot be used
        self.partition: int | None = None  # of `deliveries`, once known
        self.breaker = Breaker()
        self.health = Health()
        self.limit = InFlightLimit(endpoint.config.max_in_flight)
        self.bucket = Bucket(endpoint.config.rate_limit, now)
        self.take(endpoint, now)

    def take(self, endpoint: Endpoint, now: float) -> None:
        """Serve this version of the endpoint from now on."""
        self.endpoint = self.seen = endpoint  # `endpoint` may be ahead of what Kafka has told: the hub disabled it
        self.ordering = endpoint.config.ordering
        self.ordered = self.ordering != "none"
        self.limit.set_ceiling(endpoint.config.max_in_flight)
        self.bucket.set_rate(endpoint.config.rate_limit, now)
        self.batch_max = endpoint.config.batch_max
        self.batch_wait_s = endpoint.config.batch_wait_ms / 1000
        self.broken = None
        try:
            self._builder = RequestBuilder(endpoint)
        except ValueError as e:
            self.broken = str(e)

    def leave(self) -> None:
        """Another worker serves it: forget what waits; what is under way ends."""
        self.partition = None
        self.rest, self.fetching = Line(), False
        self.lines, self.hungry = {}, deque()
        self.queue = deque(item for item in self.queue if not item.tracker.revoked)

    @property
    def paused(self) -> bool:
        """Whether a person holds it back."""
        return self.endpoint.config.state == "paused"

    @property
    def given_up(self) -> str | None:
        """Why whatever is for it is dead; None when it is served."""
        if self.deleted:
            return "endpoint_deleted"
        if self.endpoint.config.state == "disabled":
            return "endpoint_disabled"
        return "endpoint_unusable" if self.broken is not None else None

    def shut(self, now: float) -> bool:
        """Whether nothing is sent to it for now: it is paused, or its breaker is open and no probe is due."""
        return self.paused or (self.breaker.state == "open" and now < self.breaker.probe_at)

    @property
    def room(self) -> int:
        """How many more deliveries its queue is to be filled with from what is held."""
        return max(2 * self.limit.value, self.batch_max) - len(self.queue)

    def line_name(self, object_key: str, event_type: str) -> str:
        """The line a delivery stands in: of its object, and for `latest` of its kind of news about it."""
        return f"{object_key}#{event_type}" if self.ordering == "latest" else object_key

    def load(self, now: float) -> Load:
        """What is queued and the pace: the oldest attempt under way tells of a hanging receiver before any has ended."""
        oldest = next(iter(self.under_way.values()), now)
        return Load(len(self.queue), max(self.answer_s, now - oldest) / self.limit.value)

    def lags(self, now: float) -> bool:
        """Whether its oldest request is out for long."""
        return now - next(iter(self.under_way.values()), now) > LAGS_AFTER_S

    def begin(self, items: list[Due], now: float) -> None:
        """A request starts."""
        self.requests += 1
        for item in items:
            self.under_way[id(item)] = now
            item.tracker.under_way += 1

    def end(self, items: list[Due], outcome: Outcome, now_ms: int) -> None:
        """A request ended."""
        full = self.requests >= self.limit.value
        self.requests -= 1
        for item in items:
            self.under_way.pop(id(item), None)
            item.tracker.under_way -= 1
        self.answer_s += _SMOOTHING * (outcome.total_ms / 1000 - self.answer_s)
        self.trust = "proven" if outcome.delivered else "bad"
        if outcome.delivered:
            self.spill_delay.delivered()
        self.limit.learn(outcome, now_ms=now_ms, full=full)

    def batch_id(self, items: list[Due]) -> str | None:
        """The webhook-id of a request with several events in it; None at an endpoint that gets one at a time."""
        return batch.batch_id([item.delivery for item in items]) if self.batch_max > 1 else None

    def request(self, items: list[Due], now_ms: int) -> Request:
        """The signed request of one attempt."""
        first = items[0].delivery
        if self.batch_max == 1:
            return self._builder.build(
                webhook_id=first.webhook_id, payload=first.payload, event_type=first.event_type, delivery_id=first.id,
                attempt=first.attempt, sequence=first.sequence, replay_id=first.replay_id, now_ms=now_ms,
            )  # fmt: skip
        deliveries = [item.delivery for item in items]
        return self._builder.build(
            webhook_id=batch.batch_id(deliveries), payload=batch.body(deliveries), event_type=batch.EVENT_TYPE,
            delivery_id=first.id, attempt=first.attempt, sequence=first.sequence, replay_id=first.replay_id, now_ms=now_ms,
            batch=len(items),
        )  # fmt: skip
