"""The worker's heart, one thread: takes deliveries in, attempts them, writes what came of it.

Every delivery, first try or retry, live, held or replay, takes the same path:
`Admission.admit` (may it be tried now?) -> its receiver's queue -> `_attempt` -> `_decide` -> outbox.
"""

from __future__ import annotations

import heapq
import logging
import math
import os
import threading
from collections import Counter as Tally
from collections import deque
from collections.abc import Sequence  # noqa: TC003 - msgspec resolves the annotations
from typing import TYPE_CHECKING, Final

import msgspec

from delivery import measure, records, spill, tiers
from delivery.admission import Admission
from delivery.fate import Fate
from delivery.item import Item, Poison, Stored
from delivery.order import Order
from delivery.policy import decide
from delivery.roster import Assigned, Revoked
from delivery.watch import Watch
from runtime import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.backlog import Backlog
    from delivery.held_reader import Answer
    from delivery.http import HttpClient
    from delivery.item import Due
    from delivery.outbox import Outbox
    from delivery.outcome import Outcome
    from delivery.receiver import Receiver, Trust
    from delivery.roster import Roster
    from runtime.clock import Clock

    Message = Item | Poison | Assigned | Revoked | Answer

log = logging.getLogger(__name__)

TICK_S: Final = 0.05
CHECK_S: Final = 0.1  # how often slow endpoints are looked for


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the deployment sets. `window`: deliveries in memory; `requests`: under way, all endpoints."""

    schedule: Sequence[float]
    requests: int
    window: int
    disable_after_s: float


class Engine:
    """Attempts deliveries. `submit`, `deliver` and `stop` may be called from any thread, everything else is the engine's own."""

    def __init__(
        self,
        *,
        sender: HttpClient,
        outbox: Outbox,
        roster: Roster,
        backlog: Backlog,
        clock: Clock,
        jitter: Callable[[], float],
        limits: Limits,
        pressed: Callable[[], bool],
    ) -> None:
        self._sender, self._outbox, self._roster, self._backlog, self._clock = sender, outbox, roster, backlog, clock
        self._jitter, self._limits = jitter, limits
        self._pressed = pressed  # whether room in memory is short
        self._inbox: deque[Message] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        sender.watch(self._wake)
        self._ring: deque[Receiver] = deque()  # receivers that have something to start
        self._benched: list[Receiver] = []  # while their like have their share of the worker
        self._busy: dict[int, Receiver] = {}  # that have requests under way
        self._tripped: set[int] = set()  # receivers whose breaker is not closed
        self._shares: Tally[Trust] = Tally()  # requests under way by what is known of their receivers
        self._alarms: list[tuple[int, int, Receiver, str | None]] = []  # (ms, tie-break, receiver, line)
        self._count = 0
        self._next_check = 0.0
        self._fate = Fate(outbox, clock)
        self._watch = Watch(outbox, clock, limits.disable_after_s)
        self._order = Order(
            backlog=backlog,
            fate=self._fate,
            clock=clock,
            enqueue=self._enqueue,
            wake=self._set_alarm,
            refill_soon=self._refill_soon,
        )
        self._admission = Admission(
            backlog=backlog, order=self._order, fate=self._fate, clock=clock, receiver=roster.get, enqueue=self._enqueue,
        )  # fmt: skip
        self._stopping = threading.Event()
        self.idle = threading.Event()  # set when stopped and nothing is under way

    def submit(self, messages: Sequence[Message]) -> None:
        """Hand in what a lane received, or which partitions it has."""
        self._inbox.extend(messages)
        self.nudge()

    def nudge(self) -> None:
        """Something changed: look now."""
        os.eventfd_write(self._wake, 1)

    def stop(self) -> None:
        """Start nothing new; `idle` tells when what was under way has ended."""
        self._stopping.set()
        self.nudge()

    def run(self) -> None:
        """Work until stopped and drained. An unexpected error ends the process: nothing wrong gets committed."""
        try:
            while not (self._stopping.is_set() and self._sender.in_flight == 0 and self._outbox.waiting == 0):
                self._turn()
        except Exception:
            log.critical("the delivery engine failed, ending the process", exc_info=True)
            os._exit(70)
        self.idle.set()

    def _turn(self) -> None:
        if self._wake in self._sender.run_once(self._sleep()):
            os.eventfd_read(self._wake)
        self._outbox.poll()
        if self._stopping.is_set():
            return
        now = self._clock.monotonic()
        for receiver in self._roster.refresh():
            self._changed(receiver, now)
        while self._inbox:
            self._take(self._inbox.popleft(), now)
        self._admission.look_at_waiting(now)
        self._sound_alarms()
        self._admission.refill(now)
        if now >= self._next_check:
            self._next_check = now + CHECK_S
            self._check(now)
        self._start_some(now)

    def _take(self, message: Message, now: float) -> None:
        if isinstance(message, Item):
            self._admission.admit(message, now)
        elif isinstance(message, Poison):
            self._outbox.quarantine(message, self._clock.now_ms())
        elif isinstance(message, Assigned):
            self._backlog.assign(message.partition, message.tracker)
        elif isinstance(message, Revoked):
            self._backlog.revoke(message.partition)
            self._roster.leave(message.partition)
        else:
            whole = self._backlog.take_in(message)
            if whole is not None:
                theirs = [r for r in self._roster if r.partition == message.partition]
                self._admission.restored(whole, message.partition, theirs, now)

    def _sleep(self) -> float:
        """Seconds until there is something to do that no descriptor will announce."""
        if self._outbox.waiting:
            return 0.005
        if self._stopping.is_set():
            return TICK_S
        due = [at for at in (self._admission.next_ms, self._alarms[0][0] if self._alarms else None) if at is not None]
        return max(0.0, min(TICK_S, (min(due) - self._clock.now_ms()) / 1000)) if due else TICK_S

    # --- who is served

    def _enqueue(self, receiver: Receiver, item: Due) -> None:
        if receiver.batch_max > 1:
            item.queued_s = self._clock.monotonic()
        receiver.queue.append(item)
        self._line_up(receiver)

    def _line_up(self, receiver: Receiver) -> None:
        if receiver.queue and not receiver.waiting_for_turn:
            receiver.waiting_for_turn = True
            self._ring.append(receiver)

    def _refill_soon(self, receiver: Receiver) -> None:
        self._admission.refill_soon(receiver)

    def _set_alarm(self, at_ms: int, receiver: Receiver, line: str | None = None) -> None:
        self._count += 1
        heapq.heappush(self._alarms, (at_ms, self._count, receiver, line))

    def _alarm_in(self, seconds: float, receiver: Receiver) -> None:
        self._set_alarm(self._clock.now_ms() + math.ceil(seconds * 1000), receiver)

    def _sound_alarms(self) -> None:
        now_ms = self._clock.now_ms()
        while self._alarms and self._alarms[0][0] <= now_ms:
            _, _, receiver, line = heapq.heappop(self._alarms)
            if line is not None:
                self._order.tend_line(receiver, line)
            else:
                self._refill_soon(receiver)
                self._line_up(receiver)

    def _changed(self, receiver: Receiver, now: float) -> None:
        """Its configuration did: what it holds may go, or has to wait, or is given up."""
        receiver.breaker.probe_now(now)  # somebody may have mended it
        if receiver.given_up is None and receiver.shut(now):
            self._put_away(receiver, now)
            return
        self._order.awaken(receiver)
        self._refill_soon(receiver)
        self._line_up(receiver)

    def _put_away(self, receiver: Receiver, now: float) -> None:
        """Nothing is sent to it for now: its queue waits elsewhere."""
        queue, receiver.queue = receiver.queue, deque()
        for item in queue:
            if item.tracker.revoked:
                continue
            if not item.live:
                self._admission.turn_away(receiver, item, now)
            else:
                self._set_down(receiver, item)

    def _set_down(self, receiver: Receiver, item: Due) -> None:
        if item.line is not None:
            self._order.set_down(receiver, item)
        elif isinstance(item, Stored):
            self._backlog.put_back(receiver.rest, item)
        else:
            self._admission.hold(receiver, item)

    def _check(self, now: float) -> None:
        """Look for endpoints that lag; when room gets short, set aside what one that cannot keep up has queued."""
        self._shares.clear()
        for receiver in self._busy.values():
            if receiver.lags(now):
                receiver.trust = "bad"
            self._shares[receiver.trust] += receiver.requests
        benched, self._benched = self._benched, []
        for receiver in benched:
            self._line_up(receiver)
        metrics.IN_FLIGHT.set(self._sender.in_flight)
        metrics.BACKLOG.set(self._backlog.count)
        if self._pressed():
            busy = [r for r in self._roster if r.queue or r.under_way]
            for receiver, excess in zip(busy, spill.excess([r.load(now) for r in busy], self._limits.window // 4), strict=True):
                for _ in range(excess):
                    self._spill(receiver, now)

    def _spill(self, receiver: Receiver, now: float) -> None:
        item = receiver.queue.pop()
        if item.tracker.revoked:
            return
        if item.live:
            self._set_down(receiver, item)
        else:
            self._fate.move(item, receiver.spill_delay.next(now), "spilled")

    # --- attempts

    def _start_some(self, now: float) -> None:
        """Start what the limits allow, one request of each receiver in turn."""
        while self._ring and self._sender.in_flight < self._limits.requests:
            receiver = self._ring.popleft()
            receiver.waiting_for_turn = False
            if receiver.given_up is not None:
                self._give_up(receiver)
            elif not self._has_share(receiver):
                self._benched.append(receiver)
            elif self._may_start(receiver, now):
                items = self._next_items(receiver)
                if items:
                    self._attempt(receiver, items, now)
                self._line_up(receiver)

    def _may_start(self, receiver: Receiver, now: float) -> bool:
        """Whether the endpoint's own limits let a request go; if not, an alarm or the end of another request brings it back."""
        if receiver.requests >= receiver.limit.value or not receiver.queue or receiver.paused:
            return False
        if not receiver.breaker.allows(now, receiver.requests):
            return False
        if receiver.batch_max > len(receiver.queue) and (wait := receiver.queue[0].queued_s + receiver.batch_wait_s - now) > 0:
            self._alarm_in(wait, receiver)
            return False
        wait = receiver.bucket.take(now)
        if wait > 0:
            self._alarm_in(wait, receiver)
        return wait <= 0

    def _has_share(self, receiver: Receiver) -> bool:
        """Whether its like have not used up what they may: a quarter of the worker is for those that are known to answer."""
        share, limit = self._shares, self._limits.requests
        if receiver.trust == "proven":
            return True
        if receiver.trust == "bad":
            return share["bad"] < limit // 2
        return share["new"] < max(limit // 4, 1) and share["new"] + share["bad"] < limit * 3 // 4

    def _next_items(self, receiver: Receiver) -> list[Due]:
        count = min(receiver.batch_max, len(receiver.queue))
        taken = [receiver.queue.popleft() for _ in range(count)]
        return [item for item in taken if not item.tracker.revoked]

    def _give_up(self, receiver: Receiver) -> None:
        cause = receiver.given_up or ""
        while receiver.queue:
            item = receiver.queue.popleft()
            self._fate.bury(item, cause)
            if item.line is not None:
                self._order.ended(receiver, item)
        self._refill_soon(receiver)

    def _attempt(self, receiver: Receiver, items: list[Due], now: float) -> None:
        receiver.begin(items, now)
        self._busy[id(receiver)] = receiver
        self._shares[receiver.trust] += 1
        request = receiver.request(items, self._clock.now_ms())
        self._sender.start(request, lambda outcome: self._ended(receiver, items, outcome))

    def _ended(self, receiver: Receiver, items: list[Due], outcome: Outcome) -> None:
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        receiver.end(items, outcome, now_ms)
        if not receiver.requests:
            self._busy.pop(id(receiver), None)
        batch_id = receiver.batch_id(items)
        for item in items:
            self._decide(receiver, item, outcome, now_ms, batch_id)
        if self._watch.learn(receiver, outcome, now):
            self._breaker_moved(receiver, now)
        if receiver.rest.places or receiver.hungry:
            self._refill_soon(receiver)
        self._line_up(receiver)

    def _breaker_moved(self, receiver: Receiver, now: float) -> None:
        (self._tripped.discard if receiver.breaker.state == "closed" else self._tripped.add)(id(receiver))
        metrics.BREAKERS.set(len(self._tripped))
        if receiver.breaker.state == "open":
            self._put_away(receiver, now)
            self._alarm_in(receiver.breaker.probe_at - now, receiver)
        else:
            self._order.awaken(receiver)
            self._refill_soon(receiver)

    def _decide(self, receiver: Receiver, item: Due, outcome: Outcome, now_ms: int, batch_id: str | None) -> None:
        delivery, config = item.delivery, receiver.endpoint.config
        decision = decide(
            outcome,
            step=delivery.step,
            schedule=config.retry_schedule or self._limits.schedule,
            now_ms=now_ms,
            jitter=self._jitter(),
        )
        in_order = item.line is not None and receiver.ordered
        state: str = decision.state
        cause = decision.cause
        if state == "retrying" and in_order and (other := self._order.outlook(receiver, item)) is not None:
            state, cause = ("superseded", None) if other == "superseded" else ("dead", other)
        next_at = now_ms + round(decision.delay_s * 1000) if state == "retrying" else None
        self._outbox.attempted(
            item,
            records.attempt_record(item, outcome, state, url=config.url, next_attempt_at=next_at, batch_id=batch_id),
        )
        measure.attempt(delivery, outcome, state, now_ms)
        if decision.disable is not None:
            self._watch.disable(receiver, "gone", decision.disable, outcome)
        if item.tracker.gone:
            return  # whoever has its partition now has the delivery as well
        if next_at is not None:
            again = records.next_try(delivery, outcome, next_at)
            if in_order:
                self._order.failed(receiver, item, again)
                return
            self._outbox.wait_in(item, tiers.choose(decision.delay_s), again, "failed")
        elif state == "dead":
            self._outbox.bury(item, records.buried(delivery, cause or "exhausted", outcome))
            self._watch.exhausted(receiver, item, outcome, cause or "exhausted")
        self._outbox.finish(item)
        if item.line is not None:
            self._order.ended(receiver, item)
