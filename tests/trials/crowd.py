"""crowd: ten thousand endpoints in one worker, a tenth of them bad, and steady traffic that goes to one endpoint an event.

First all are healthy, then half of the bad ones hang and half refuse connections, on the same hub: the healthy nine
thousand are compared with themselves.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.bench.processes import PeakMemory
from tests.bench.receiver import OK
from tests.chaos.sink import HANG
from tests.trials.book import Book
from tests.trials.closed import closed_port
from tests.trials.finding import Check, Finding, at_least, at_most, exactly, quantile
from tests.trials.traffic import Address, Listening, Publisher, all_arrived, configure, number_in, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.hub import Hub

NAME: Final = "crowd"
ABOUT: Final = "10,000 endpoints in one worker; 500 of them hang, 500 refuse: the healthy ones' p99 and the worker's memory"
ENVIRONMENT: Final[dict[str, str]] = {}
P99_FACTOR: Final = 2.0
RSS_MB: Final = 400.0
KEPT_UP: Final = 0.98  # of the events asked for: less, and the hub was not given what the trial is about
_PORTS: Final = 4
_A_TENANT: Final = 100  # endpoints of one tenant
_SETTLE_S: Final = 90.0
_WARM_UP_S: Final = 10.0
_STRETCH_S: Final = 5.0  # to tell a moment's standstill from a slow run


@dataclass(frozen=True, kw_only=True)
class Size:
    """`bad` of `endpoints` go bad; `rate` events a second for `seconds`, twice."""

    endpoints: int = 10_000
    bad: int = 1000
    rate: float = 500.0
    seconds: float = 180.0


QUICK: Final = Size(endpoints=1000, bad=100, rate=200.0, seconds=30.0)


@dataclass
class Crowd:
    """Who is who: endpoints by index, the bad ones chosen at random; every event has the index of its endpoint."""

    size: Size
    urls: list[str]
    closed: int
    book: Book = field(default_factory=Book)
    going_bad: bool = False

    def __post_init__(self) -> None:
        rng = random.Random(self.size.endpoints)
        self.order = rng.sample(range(self.size.endpoints), self.size.endpoints)
        bad = rng.sample(range(self.size.endpoints), self.size.bad)
        self.hanging, self.refusing = frozenset(bad[::2]), frozenset(bad[1::2])

    def index(self, number: int) -> int:
        """The endpoint of an event."""
        return self.order[number % self.size.endpoints]

    def address(self, number: int) -> Address:
        index = self.index(number)
        return Address(f"crowd-{index // _A_TENANT}", f"crowd.e{index % _A_TENANT}")

    def healthy(self, number: int) -> bool:
        """Whether an event is for one that never goes bad."""
        return (index := self.index(number)) not in self.hanging and index not in self.refusing

    def endpoint(self, index: int, *, refuses: bool) -> tuple[str, str, dict[str, object]]:
        """As `Wire.endpoints` takes it."""
        base = f"http://127.0.0.1:{self.closed}" if refuses else self.urls[index % len(self.urls)]
        fields: dict[str, object] = {"tenant": f"crowd-{index // _A_TENANT}", "event_types": [f"crowd.e{index % _A_TENANT}"]}
        return f"crowd-{index}", f"{base}/{index}", fields | {"timeout_s": 15.0}

    def take(self, path: str, _headers: dict[bytes, bytes], body: bytes, at: float) -> bytes:
        if self.going_bad and int(path[1:]) in self.hanging:
            return HANG
        number = number_in(body)
        if number is not None:
            self.book.arrive(number, at)
        return OK


def judge(*, healthy: dict[str, float], among: dict[str, float], missing: int, kept_up: float, rss_mb: float) -> list[Check]:
    """`healthy` and `among`: p99_ms of the healthy endpoints when all are, and among the bad ones."""
    return [
        at_least("events published, of those asked for", KEPT_UP, kept_up),
        exactly("events of healthy endpoints that did not arrive", 0, missing),
        at_most("healthy p99 among the bad, times the p99 without them", P99_FACTOR, among["p99_ms"] / healthy["p99_ms"]),
        at_most("delivery worker, resident", RSS_MB, rss_mb, " MB"),
    ]


async def run(hub: Hub, size: Size, say: Callable[[str], None]) -> Finding:
    """The trial on a running hub."""
    with closed_port() as closed:
        crowd = Crowd(size, [], closed)
        async with Listening(crowd, _PORTS) as server:
            crowd.urls = server.urls
            known_s = await configure(hub, [crowd.endpoint(i, refuses=False) for i in range(size.endpoints)])
            api_s = await asyncio.to_thread(_create_one, hub, server.urls[0])
            say(f"{size.endpoints:,} endpoints served after {known_s:.1f} s; one more by the API takes {api_s * 1000:.0f} ms")
            publisher = Publisher(hub, crowd.book, crowd.address)
            try:
                with PeakMemory(hub.pids, hub.names) as memory:
                    figures = await _compare(hub, crowd, publisher, say)
            finally:
                publisher.close()
    rss = memory.rss_by_name()
    total = publisher.next
    checks = judge(
        healthy=figures["all_healthy"],
        among=figures["some_bad"],
        missing=crowd.book.missing(crowd.healthy),
        kept_up=len(crowd.book.sent) / total if total else 0.0,
        rss_mb=rss.get("delivery", float("inf")),
    )
    figures |= {"rss_mb": rss, "pss_mb": memory.pss_by_name(), "refused": publisher.refused[:3], "create_by_api_s": api_s}
    return Finding(trial=NAME, checks=checks, figures=figures)


async def _compare(hub: Hub, crowd: Crowd, publisher: Publisher, say: Callable[[str], None]) -> dict[str, Any]:
    size, figures = crowd.size, {}
    await publisher.at_rate(size.rate, max(_WARM_UP_S, size.endpoints / size.rate))  # each endpoint gets one at least
    await _arrive(crowd, publisher)
    for part in ("all_healthy", "some_bad"):
        if part == "some_bad":
            crowd.going_bad = True
            await configure(hub, [crowd.endpoint(i, refuses=True) for i in sorted(crowd.refusing)])
        say(f"{size.rate:g} events/s for {size.seconds:g} s, {part.replace('_', ' ')}")
        since = asyncio.get_running_loop().time()
        await publisher.at_rate(size.rate, size.seconds)
        await _arrive(crowd, publisher)
        found = [s * 1000 for s in crowd.book.latencies(since, only=crowd.healthy)]
        figures[part] = {"p50_ms": quantile(found, 0.5), "p99_ms": quantile(found, 0.99), "max_ms": max(found, default=0.0)}
        starts = [since + i * _STRETCH_S for i in range(round(size.seconds / _STRETCH_S))]
        figures[part]["p99_ms_by_5s"] = [crowd.book.p99_ms(at, at + _STRETCH_S, crowd.healthy) for at in starts]
        say(
            f"healthy endpoints: {len(found):,} events, p50 {figures[part]['p50_ms']:.1f} ms, p99 {figures[part]['p99_ms']:.1f} ms"
        )
    return figures


async def _arrive(crowd: Crowd, publisher: Publisher) -> None:
    """Until all of the healthy ones' has arrived, or it takes too long."""
    await publisher.settle()
    await until(all_arrived(crowd.book, filter(crowd.healthy, crowd.book.sent)), _SETTLE_S)


def _create_one(hub: Hub, url: str) -> float:
    """Seconds it takes to make one endpoint through the API with all the others there."""
    began = time.monotonic()
    hub.api("POST", "/endpoints", {"url": f"{url}/0", "event_types": ["crowd.nothing"], "tenant": "crowd-api"})
    return time.monotonic() - began
