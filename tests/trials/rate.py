"""rate: an endpoint with a rate limit gets a flood. Its requests are spaced as it asked, and nobody else waits for it.

Two floods of the same size at two endpoints: first neither has a limit, then one has. The other one must not notice.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.bench.receiver import OK
from tests.chaos.sink import HANG
from tests.trials.book import Book
from tests.trials.finding import Check, Finding, at_least, at_most, between, exactly
from tests.trials.traffic import Address, Listening, Publisher, all_arrived, configure, number_in, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.hub import Hub

NAME: Final = "rate"
ABOUT: Final = "an endpoint with a rate limit gets a flood: paced as it asked, one attempt each, its neighbour not slowed"
ENVIRONMENT: Final[dict[str, str]] = {}
TOLERANCE: Final = 0.05
NEIGHBOUR: Final = 0.8  # of its rate without a limit beside it: two floods of a few seconds differ by more than a tenth
_TENANT: Final = "rate"


@dataclass(frozen=True, kw_only=True)
class Size:
    """`n` events at once, `limit` requests a second."""

    n: int = 3000
    limit: float = 50.0


QUICK: Final = Size(n=500)


class Paths:
    """Every arrival by path: when, and as which attempt."""

    def __init__(self) -> None:
        self.at: dict[str, list[float]] = {}
        self.attempts: dict[str, list[int]] = {}
        self.books: dict[str, Book] = {}

    def take(self, path: str, headers: dict[bytes, bytes], body: bytes, at: float) -> bytes:
        number = number_in(body)
        if number is None:
            return HANG
        self.at.setdefault(path, []).append(at)
        self.attempts.setdefault(path, []).append(int(headers.get(b"x-hookstream-attempt", b"0")))
        self.books.setdefault(path, Book()).arrive(number, at)
        return OK


def pace(times: Sequence[float]) -> float:
    """Arrivals a second from the first to the last; 0 of fewer than two."""
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0


def busiest_second(times: Sequence[float]) -> int:
    """The most arrivals within any second."""
    start, most = 0, 0
    for end, at in enumerate(times):
        while at - times[start] >= 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most


def judge(*, n: int, limit: float, times: Sequence[float], attempts: Sequence[int], alone: float, beside: float) -> list[Check]:
    """`times` and `attempts` of the limited endpoint; `alone` and `beside` are its neighbour's rates."""
    return [
        exactly("arrivals at the limited endpoint", n, len(times)),
        between("requests/s there, first to last", limit * (1 - TOLERANCE), limit * (1 + TOLERANCE), pace(times)),
        at_most("most attempts of one delivery", 1, max(attempts, default=0)),
        at_least("neighbour's rate beside it, of its rate without", NEIGHBOUR, beside / alone if alone else 0.0),
    ]


async def run(hub: Hub, size: Size, say: Callable[[str], None]) -> Finding:
    """The trial on a running hub."""
    paths = Paths()
    rates: dict[str, float] = {}
    async with Listening(paths) as server:
        url = server.urls[0]
        for part, limit in (("warm-up", None), ("free", None), ("limited", size.limit)):
            made = [
                (f"rate-{part}-{who}", f"{url}/{part}/{who}", {"tenant": f"{_TENANT}-{part}", "rate_limit": own})
                for who, own in (("neighbour", None), ("limited", limit))
            ]
            await configure(hub, made)
            say(f"{size.n:,} events at two endpoints, {'neither has a limit' if limit is None else f'one with {limit:g}/s'}")
            rates[part] = await _flood(hub, paths, part, size, limit)
    limited = "/limited/limited"
    times, attempts = paths.at.get(limited, []), paths.attempts.get(limited, [])
    checks = judge(n=size.n, limit=size.limit, times=times, attempts=attempts, alone=rates["free"], beside=rates["limited"])
    figures = {
        "rate": pace(times), "busiest_second": busiest_second(times), "seconds": times[-1] - times[0] if times else 0.0,
        "neighbour_rate_without": rates["free"], "neighbour_rate_beside": rates["limited"],
    }  # fmt: skip
    return Finding(trial=NAME, checks=checks, figures=figures)


async def _flood(hub: Hub, paths: Paths, part: str, size: Size, limit: float | None) -> float:
    """The neighbour's rate, from the first event sent to its last arrival."""
    loop, book = asyncio.get_running_loop(), Book()
    publisher = Publisher(hub, book, lambda _number: Address(f"{_TENANT}-{part}", "rate.tick"))
    begun = loop.time()
    try:
        publisher.send(size.n)
        await publisher.settle()
        for who in ("neighbour", "limited"):
            own = paths.books.setdefault(f"/{part}/{who}", Book())
            pace_s = size.n / limit if limit and who == "limited" else 0.0
            await until(all_arrived(own, book.sent), 60 + 1.5 * pace_s)
    finally:
        publisher.close()
    times = paths.at.get(f"/{part}/neighbour", [])
    return len(times) / (times[-1] - begun) if times else 0.0
