"""backlog: a million deliveries wait for a dead endpoint while 200 others have live traffic; then it comes back.

before -> the backlog is written and taken in -> beside it -> the worker is killed -> beside it again -> the endpoint is
back and everything drains. Live traffic goes on all the time.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schemas import topics
from tests.bench.hub import ROOT
from tests.bench.processes import PeakMemory
from tests.bench.receiver import OK
from tests.trials.book import Book
from tests.trials.closed import closed_port
from tests.trials.finding import Check, Finding, at_least, at_most, exactly
from tests.trials.growth import Growth
from tests.trials.traffic import Address, Listening, Publisher, configure, number_in, until
from tests.trials.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.hub import Hub

NAME: Final = "backlog"
ABOUT: Final = "1,000,000 deliveries for a dead endpoint beside live traffic; the worker is killed; the endpoint comes back"
ENVIRONMENT: Final[dict[str, str]] = {}
P99_FACTOR: Final = 2.0
WRITES: Final = 2.2  # records for each delivery that waits: held once, deleted once, and a margin for attempts and probes
RSS_MB: Final = 400.0
FLOW_S: Final = 30.0  # after a kill, until live traffic arrives again
KEPT_UP: Final = 0.98
DEAD: Final = "backlog-dead"
MOST: Final = 0.99  # of the backlog: its rate is that of these; the few that were tried before come by their schedule
RETRIES: Final = [0.0, 5.0, *[30.0] * 200]  # of the dead endpoint, so that those few are not hours away
_TENANT: Final = "backlog"
_LATE_S: Final = 1.0
_CALM_WITHIN_S: Final = 90.0
_IDLE_S: Final = 400.0  # longer than a breaker stays open
_WAITING: Final = (topics.HELD, *(tier.topic for tier in topics.TIERS))


@dataclass(frozen=True, kw_only=True)
class Size:
    """`n` deliveries wait, `rate` events a second go to `endpoints` others; each stretch is watched for `seconds`."""

    n: int = 1_000_000
    endpoints: int = 200
    rate: float = 100.0
    seconds: float = 120.0
    patience: float = 1800.0  # seconds the backlog may take to be taken in, and to drain


QUICK: Final = Size(n=20_000, seconds=20.0, patience=240.0)


class Receivers:
    """The live ones on one port; the dead one, once it is back, on its own."""

    def __init__(self, n: int, book: Book) -> None:
        self._book = book
        self._drained = bytearray(n)
        self.drained = self.repeats = 0
        self.first_at = self.last_at = self.most_at = math.inf

    def take(self, path: str, _headers: dict[bytes, bytes], body: bytes, at: float) -> bytes:
        number = number_in(body)
        if number is not None and path == "/dead":
            self._drain(number, at)
        elif number is not None:
            self._book.arrive(number, at)
        return OK

    def _drain(self, number: int, at: float) -> None:
        self.first_at = min(self.first_at, at)
        if self._drained[number]:
            self.repeats += 1
            return
        self._drained[number] = 1
        self.drained += 1
        self.last_at = at
        if self.drained == math.ceil(len(self._drained) * MOST):
            self.most_at = at


def judge(
    *, n: int, p99_ms: dict[str, float], missing: int, drained: int, kept_up: float, flow_s: float, writes: float, rss_mb: float
) -> list[Check]:
    """`p99_ms` of live traffic by stretch: before, beside, after_kill."""
    beside = max(p99_ms["beside"], p99_ms["after_kill"])
    return [
        at_least("live events published, of those asked for", KEPT_UP, kept_up),
        exactly("live events that did not arrive", 0, missing),
        at_most("live p99 beside the backlog, times the p99 before", P99_FACTOR, beside / p99_ms["before"]),
        at_most("after a kill of the worker, live traffic again", FLOW_S, flow_s, " s"),
        exactly("of the backlog, arrived after the endpoint came back", n, drained),
        at_most("records written to held and retry topics, for each that waited", WRITES, writes),
        at_most("delivery worker, resident", RSS_MB, rss_mb, " MB"),
    ]


class Backlog:
    """One run of the trial: its parts share the hub, the books and the clock."""

    def __init__(self, hub: Hub, size: Size, wire: Wire, say: Callable[[str], None]) -> None:
        self._hub, self._size, self._wire, self._say = hub, size, wire, say
        self._loop = asyncio.get_running_loop()
        self.book = Book()
        self.receivers = Receivers(size.n, self.book)
        self.publisher = Publisher(hub, self.book, lambda n: Address(_TENANT, f"backlog.e{n % size.endpoints}"))
        self.figures: dict[str, Any] = {"p99_ms": {}}

    async def configure(self, live_url: str, dead_port: int) -> None:
        """The live ones, and the one that is dead."""
        fields: dict[str, object] = {"tenant": _TENANT}
        made = [
            (f"backlog-{i}", f"{live_url}/{i}", fields | {"event_types": [f"backlog.e{i}"]}) for i in range(self._size.endpoints)
        ]
        dead = (DEAD, f"http://127.0.0.1:{dead_port}/dead", fields | {"event_types": ["backlog.none"], "retry_schedule": RETRIES})
        await configure(self._hub, [*made, dead])
        self._traffic = self._loop.create_task(self.publisher.at_rate(self._size.rate, 1e6))
        await asyncio.sleep(5)  # connections, caches

    async def watch(self, stretch: str) -> None:
        """Live traffic for a while: its p99."""
        since = self._loop.time()
        await asyncio.sleep(self._size.seconds)
        until_ = self._loop.time()
        await asyncio.sleep(_LATE_S)
        self.figures["p99_ms"][stretch] = self.book.p99_ms(since, until_)
        self._say(f"live traffic, {stretch}: p99 {self.figures['p99_ms'][stretch]:.1f} ms")

    async def fill(self) -> None:
        """Write the backlog and wait until the worker has taken it in."""
        began = self._loop.time()
        command = ("-m", "tests.trials.fill", "--home", self._hub.home, "--endpoint", DEAD, "--tenant", _TENANT, "--n")
        process = await asyncio.create_subprocess_exec(sys.executable, *command, str(self._size.n), cwd=ROOT)
        if await process.wait():
            raise RuntimeError("the backlog could not be written")
        wrote = self._loop.time()
        self._say(f"{self._size.n:,} deliveries written in {wrote - began:.0f} s")
        taken_in = await self._taken_in()
        ended = self._loop.time()
        await asyncio.sleep(_LATE_S)
        self.figures |= {"fill_s": wrote - began, "taken_in_s": ended - began if taken_in else math.inf}
        self.figures["p99_ms"]["while_taken_in"] = self.book.p99_ms(began, ended)
        self._say(f"{'taken in' if taken_in else 'NOT taken in'} after {ended - began:.0f} s")

    async def _taken_in(self) -> bool:
        """Whether what waits no longer holds back what is behind it in `deliveries`."""
        deadline, few = self._loop.time() + self._size.patience, max(3 * self._size.rate, self._size.n / 1000)
        while self._loop.time() < deadline:
            lag = await asyncio.to_thread(self._wire.lag, "delivery", topics.DELIVERIES)
            if lag <= few:
                return True
            self._say(f"{lag:,} deliveries are not taken in yet")
            await asyncio.sleep(5)
        return False

    async def kill(self) -> None:
        """Kill the worker; how long until live traffic flows, and until it is as before."""
        pid = self._hub.processes()["delivery"]["pid"]
        at = self._loop.time()
        os.kill(pid, signal.SIGKILL)
        self._say(f"killed the worker (pid {pid})")
        await until(lambda: self.book.flow_again(at) < math.inf, _CALM_WITHIN_S)
        await asyncio.sleep(10)
        while (calm_s := self.book.calm_again(at, self._loop.time() - 5, _LATE_S)) == math.inf:
            if self._loop.time() - at > _CALM_WITHIN_S:
                break
            await asyncio.sleep(1)
        self.figures |= {"flow_after_kill_s": self.book.flow_again(at), "calm_after_kill_s": calm_s}
        self._say(f"live traffic flows {self.figures['flow_after_kill_s']:.1f} s after the kill, as before after {calm_s:.1f} s")

    async def drain(self, server: Listening, port: int) -> None:
        """The endpoint is back: until all have arrived, or nothing comes any more."""
        receivers, back = self.receivers, self._loop.time()
        await server.listen(port)
        self._say("the endpoint is back")
        deadline, seen, moved = back + self._size.patience, 0, back
        while receivers.drained < self._size.n and self._loop.time() < deadline and self._loop.time() - moved < _IDLE_S:
            await asyncio.sleep(1)
            if receivers.drained != seen:
                seen, moved = receivers.drained, self._loop.time()
            if int(self._loop.time() - back) % 15 == 0:
                self._say(f"{receivers.drained:,} of {self._size.n:,} have arrived")
        took = receivers.most_at - receivers.first_at
        self.figures["p99_ms"]["while_draining"] = self.book.p99_ms(back, self._loop.time() - _LATE_S)
        self.figures |= {
            "first_after_s": receivers.first_at - back, "last_after_s": receivers.last_at - back, "drained": receivers.drained,
            "drain_s": took, "drain_per_s": self._size.n * MOST / took, "repeats": receivers.repeats,
        }  # fmt: skip

    async def end(self) -> None:
        """Stop the traffic and let what is under way arrive."""
        self._traffic.cancel()
        await self.publisher.settle()
        await until(lambda: not self.book.missing(), 30)
        self.publisher.close()


async def run(hub: Hub, size: Size, say: Callable[[str], None]) -> Finding:
    """The trial on a running hub."""
    data = Path(hub.home) / "kafka" / "data"
    with Wire.of(hub) as wire, PeakMemory(hub.pids, hub.names) as memory, Growth(data, "deliveries") as growth:
        before = await asyncio.to_thread(wire.ends, _WAITING)
        one = Backlog(hub, size, wire, say)
        async with Listening(one.receivers) as server:
            with closed_port() as port:
                await one.configure(server.urls[0], port)
                await one.watch("before")
                await one.fill()
                await one.watch("beside")
                await one.kill()
                await one.watch("after_kill")
                kept = growth.look()
            await one.drain(server, port)
            await one.end()
        ends = await asyncio.to_thread(wire.ends, _WAITING)
    return _finding(one, size, {name: ends[name] - before[name] for name in ends}, memory, growth, kept)


def _finding(
    one: Backlog, size: Size, records: dict[str, int], memory: PeakMemory, growth: Growth, kept: dict[str, int]
) -> Finding:
    written = {name: count for name, count in growth.written.items() if name in records}
    figures, rss, sent = one.figures, memory.rss_by_name(), one.publisher.next
    figures |= {
        "records_written": {name: count for name, count in records.items() if count},
        "records_per_delivery": sum(records.values()) / size.n,
        "bytes_written": written, "bytes_per_delivery": sum(written.values()) / size.n,
        "disk_mb_while_waiting": sum(kept.values()) / 2**20, "disk_peak_mb": growth.peak / 2**20,
        "disk_by_topic_mb": {name: round(count / 2**20, 1) for name, count in kept.items() if count > 2**20},
        "rss_mb": rss, "refused": one.publisher.refused[:3], "live_repeats": one.book.repeats,
    }  # fmt: skip
    checks = judge(
        n=size.n,
        p99_ms=figures["p99_ms"],
        missing=one.book.missing(),
        drained=one.receivers.drained,
        kept_up=len(one.book.sent) / sent if sent else 0.0,
        flow_s=figures["flow_after_kill_s"],
        writes=figures["records_per_delivery"],
        rss_mb=rss.get("delivery", math.inf),
    )
    return Finding(trial=NAME, checks=checks, figures=figures)
