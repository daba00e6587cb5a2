"""The worker's heart, one thread: takes deliveries in, attempts them, writes what came of it.

Every delivery, first try or retry, live or replay, takes the same path:
`_admit` (may it be tried now?) -> its receiver's queue -> `_attempt` -> `_decide` -> outbox.
"""

from __future__ import annotations

import heapq
import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from delivery import records, spill, tiers
from delivery.item import Item, Poison
from delivery.policy import decide
from delivery.receiver import Receiver
from runtime import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from delivery.http import HttpClient
    from delivery.outbox import Outbox
    from delivery.outcome import Outcome
    from delivery.policy import Decision
    from runtime.clock import Clock
    from runtime.config import Endpoint, Endpoints
    from schemas.records import Delivery

log = logging.getLogger(__name__)

EARLY_MS: Final = 2  # a timer may fire this much before its time
PAUSED_LOOK_S: Final = (5.0, 60.0)  # how soon a paused endpoint's deliveries are looked at again: at first, at most
TICK_S: Final = 0.05
SPILL_CHECK_S: Final = 0.1


class Engine:
    """Attempts deliveries. `submit` may be called from any thread, everything else belongs to the engine's own."""

    def __init__(
        self,
        *,
        http: HttpClient,
        outbox: Outbox,
        endpoints: Endpoints,
        clock: Clock,
        jitter: Callable[[], float],
        schedule: Sequence[float],
        max_requests: int,
        pressed: Callable[[], bool],
    ) -> None:
        self._http, self._outbox, self._endpoints, self._clock = http, outbox, endpoints, clock
        self._jitter, self._schedule, self._max_requests = jitter, schedule, max_requests
        self._pressed = pressed  # whether room in memory is short
        self._inbox: deque[list[Item | Poison]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        http.watch(self._wake)
        self._receivers: dict[str, Receiver] = {}
        self._ring: deque[Receiver] = deque()  # receivers that have something to start
        self._waiting: list[tuple[int, int, Item]] = []  # (look at, ms), tie-break, item
        self._count = 0
        self._next_spill_check = 0.0
        self._stopping = threading.Event()
        self.idle = threading.Event()  # set when stopped and nothing is under way

    def submit(self, items: list[Item | Poison]) -> None:
        """Hand in what a lane received."""
        self._inbox.append(items)
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """Start nothing new; `idle` tells when what was under way has ended."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Work until stopped and drained. An unexpected error ends the process: nothing wrong gets committed."""
        try:
            while not (self._stopping.is_set() and self._http.in_flight == 0 and self._outbox.waiting == 0):
                self._turn()
        except Exception:
            log.critical("the delivery engine failed, ending the process", exc_info=True)
            os._exit(70)
        self.idle.set()

    def _turn(self) -> None:
        if self._wake in self._http.run_once(self._sleep()):
            os.eventfd_read(self._wake)
        self._outbox.poll()
        if self._stopping.is_set():
            return
        while self._inbox:
            for item in self._inbox.popleft():
                if isinstance(item, Item):
                    self._admit(item)
                else:
                    self._outbox.quarantine(item, self._clock.now_ms())
        self._look_at_waiting()
        now = self._clock.monotonic()
        if now >= self._next_spill_check:
            self._next_spill_check = now + SPILL_CHECK_S
            self._spill_overdue(now)
        self._start_some(now)
        metrics.IN_FLIGHT.set(self._http.in_flight)

    def _sleep(self) -> float:
        """Seconds until there is something to do that no descriptor will announce."""
        if self._outbox.waiting:
            return 0.005
        if self._waiting and not self._stopping.is_set():
            return max(0.0, min(TICK_S, (self._waiting[0][0] - self._clock.now_ms()) / 1000))
        return TICK_S

    # --- in

    def _admit(self, item: Item) -> None:
        """Decide whether this delivery may be tried now, has to wait, or will never be tried."""
        if item.tracker.revoked:
            return
        endpoint = self._endpoints.items.get(item.delivery.endpoint_id)
        if endpoint is None or endpoint.config.tenant != item.delivery.tenant:
            self._bury(item, "endpoint_deleted")
        elif endpoint.config.state == "disabled":
            self._bury(item, "endpoint_disabled")
        elif item.delivery.not_before - self._clock.now_ms() > EARLY_MS:
            self._wait(item)
        elif endpoint.config.state == "paused":
            self._hold(item, endpoint)
        else:
            self._enqueue(item, endpoint)

    def _wait(self, item: Item) -> None:
        """In memory until due; what does not lie in a retry topic, or not in the right one, goes there first."""
        due = item.delivery.not_before
        look_at = due if item.tier is None else tiers.look_at(due, item.written_ms, item.tier)
        now = self._clock.now_ms()
        if item.tier is None or look_at <= now:
            self._move(item, (due - now) / 1000, "hop")
            return
        self._count += 1
        heapq.heappush(self._waiting, (look_at, self._count, item))

    def _look_at_waiting(self) -> None:
        now = self._clock.now_ms()
        while self._waiting and self._waiting[0][0] - now <= EARLY_MS:
            self._admit(heapq.heappop(self._waiting)[2])

    def _hold(self, item: Item, endpoint: Endpoint) -> None:
        """A paused endpoint's delivery waits without spending an attempt, looked at ever less often."""
        paused_s = (self._clock.now_ms() - endpoint.config.updated_at) / 1000
        soonest, latest = PAUSED_LOOK_S
        self._move(item, min(max(paused_s / 4, soonest), latest), "paused")

    def _enqueue(self, item: Item, endpoint: Endpoint) -> None:
        try:
            receiver = self._receiver(endpoint)
        except ValueError as e:
            log.error("endpoint cannot be served", extra={"endpoint": endpoint.config.id, "error": str(e)})  # noqa: TRY400
            self._bury(item, "endpoint_unusable")
            return
        receiver.queue.append(item)
        self._line_up(receiver)

    def _receiver(self, endpoint: Endpoint) -> Receiver:
        receiver = self._receivers.get(endpoint.config.id)
        if receiver is None:
            receiver = self._receivers[endpoint.config.id] = Receiver(endpoint)
        elif receiver.endpoint is not endpoint:
            receiver.take(endpoint)
        return receiver

    def _line_up(self, receiver: Receiver) -> None:
        if receiver.ready and not receiver.waiting_for_turn:
            receiver.waiting_for_turn = True
            self._ring.append(receiver)

    # --- attempts

    def _start_some(self, now: float) -> None:
        """Start what the limits allow, one delivery of each receiver in turn."""
        while self._ring and self._http.in_flight < self._max_requests:
            receiver = self._ring.popleft()
            receiver.waiting_for_turn = False
            item = receiver.queue.popleft()
            if not item.tracker.revoked:
                self._attempt(receiver, item, now)
            self._line_up(receiver)

    def _attempt(self, receiver: Receiver, item: Item, now: float) -> None:
        receiver.begin(item, now)
        item.tracker.under_way += 1
        request = receiver.request(item.delivery, self._clock.now_ms())
        self._http.start(request, lambda outcome: self._decide(receiver, item, outcome))

    def _decide(self, receiver: Receiver, item: Item, outcome: Outcome) -> None:
        receiver.end(item, outcome)
        item.tracker.under_way -= 1
        delivery = item.delivery
        now_ms = self._clock.now_ms()
        config = receiver.endpoint.config
        decision = decide(
            outcome,
            step=delivery.step,
            schedule=config.retry_schedule or self._schedule,
            now_ms=now_ms,
            jitter=self._jitter(),
        )
        next_at = now_ms + round(decision.delay_s * 1000) if decision.state == "retrying" else None
        self._outbox.attempted(item, records.attempt_record(item, outcome, decision, url=config.url, next_attempt_at=next_at))
        if next_at is not None:
            self._outbox.wait_in(item, tiers.choose(decision.delay_s), records.next_try(delivery, outcome, next_at), "failed")
        elif decision.state == "dead":
            self._outbox.bury(item, records.buried(delivery, decision.cause or "exhausted", outcome))
        if decision.disable:
            self._disable(receiver.endpoint, f"answered {outcome.status}: it asked not to be called again")
        self._outbox.finish(item)
        _measure(delivery, outcome, decision, now_ms)
        self._line_up(receiver)

    def _disable(self, endpoint: Endpoint, reason: str) -> None:
        changed = msgspec.structs.replace(endpoint.config, state="disabled", state_reason=reason, updated_at=self._clock.now_ms())
        log.warning("endpoint disabled", extra={"endpoint": endpoint.config.id, "reason": reason})
        self._outbox.configure(changed)

    # --- out without an attempt

    def _spill_overdue(self, now: float) -> None:
        """When room gets short, move the queue of a receiver that cannot keep up: the others need the room."""
        if not self._pressed():
            return
        busy = [r for r in self._receivers.values() if r.queue or r.under_way]
        for receiver, excess in zip(busy, spill.excess([r.load(now) for r in busy]), strict=True):
            if excess:
                delay = receiver.spill_delay.next(now)
                for _ in range(excess):
                    self._move(receiver.queue.pop(), delay, "spilled")

    def _move(self, item: Item, delay_s: float, why: str) -> None:
        if item.tracker.revoked:
            return
        delay_s = max(delay_s, 0.0)
        not_before = max(item.delivery.not_before, self._clock.now_ms() + round(delay_s * 1000))
        self._outbox.wait_in(item, tiers.choose(delay_s), records.moved(item.delivery, not_before), why)
        self._outbox.finish(item)

    def _bury(self, item: Item, cause: str) -> None:
        self._outbox.bury(item, records.buried(item.delivery, cause))
        self._outbox.finish(item)


def _measure(delivery: Delivery, outcome: Outcome, decision: Decision, now_ms: int) -> None:
    metrics.DELIVERED.labels(decision.state, outcome.error_class or "none", delivery.lane).inc()
    metrics.ATTEMPT_SECONDS.labels(decision.state).observe(outcome.total_ms / 1000)
    if decision.state == "delivered" and delivery.lane == "live":
        metrics.DELIVERY_SECONDS.observe(max(0, now_ms - delivery.received_at) / 1000)
