"""Own events published at a steady rate through /v1/events/batch, each numbered, whatever the hub does meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tests.bench.client import Head, Pool
from tests.bench.receiver import OK
from tests.chaos.sink import SinkConnection
from tests.trials.book import Book
from tests.trials.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.hub import Hub
    from tests.chaos.sink import Takes

_EVERY_S: Final = 0.05
_BATCH: Final = 200
_TIMEOUT_S: Final = 30.0
_KNOWN_WITHIN_S: Final = 120.0
_NUMBER: Final = re.compile(rb'"no":\s*(\d+)')


@dataclass(frozen=True)
class Address:
    """What an event has to say of itself so that it goes to one endpoint and no other."""

    tenant: str
    type: str


def number_in(body: bytes) -> int | None:
    """The number of an event, as its endpoint got it."""
    found = _NUMBER.search(body)
    return int(found[1]) if found else None


class Publisher:
    """Publishes to one hub. Runs on the event loop that made it."""

    def __init__(self, hub: Hub, book: Book, address: Callable[[int], Address]) -> None:
        self._book, self._address = book, address
        self._loop = asyncio.get_running_loop()
        port = hub.ports["ingress"]
        self._pool = Pool("127.0.0.1", port, timeout_s=_TIMEOUT_S, limit=64)
        headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {hub.admin_key}")]
        self._head = Head("POST", "/v1/events/batch", f"127.0.0.1:{port}", headers, lambda: b"")
        self._tasks: set[asyncio.Task[None]] = set()
        self.next = 0
        self.refused: list[str] = []

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Send what is due, many times a second."""
        begun, sent = self._loop.time(), 0
        total = round(rate * seconds)
        while sent < total:
            due = min(total, int((self._loop.time() - begun) * rate) + 1)
            self.send(due - sent)
            sent = due
            await asyncio.sleep(_EVERY_S)

    def send(self, count: int) -> None:
        """Send the next `count` events now."""
        while count > 0:
            numbers = range(self.next, self.next + min(count, _BATCH))
            self.next, count = numbers.stop, count - len(numbers)
            task = self._loop.create_task(self._post(numbers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Until everything sent was answered."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._pool.close()

    async def _post(self, numbers: range) -> None:
        at = self._loop.time()
        events = [{"type": a.type, "tenant": a.tenant, "data": {"no": n}} for n in numbers if (a := self._address(n))]
        status, answer = await self._pool.request(self._head.build(json.dumps({"events": events}).encode()))
        if 200 <= status < 300:
            for number in numbers:
                self._book.accept(number, at)
        else:
            self.refused.append(f"{status} {answer[:200].decode(errors='replace')}")


class Listening:
    """One taker on several ports of loopback, as an asynchronous context: after it nothing of it is left open."""

    def __init__(self, taker: Takes, ports: int = 1) -> None:
        self._taker, self._count = taker, ports
        self._loop = asyncio.get_running_loop()
        self._servers: list[asyncio.Server] = []
        self._connections: weakref.WeakSet[SinkConnection] = weakref.WeakSet()
        self.urls: list[str] = []

    async def __aenter__(self) -> Self:
        for _ in range(self._count):
            await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            if not connection.gone:
                connection.transport.abort()
        await asyncio.sleep(0.05)  # the loop closes them in its next turns

    async def listen(self, port: int = 0) -> None:
        """One more port, a free one if none is named."""
        server = await self._loop.create_server(self._connection, "127.0.0.1", port, backlog=1024)
        self._servers.append(server)
        self.urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    def _connection(self) -> SinkConnection:
        made = SinkConnection(self._taker)
        self._connections.add(made)
        return made


class _Probe:
    """Notes that something came."""

    def __init__(self) -> None:
        self.reached = False

    def take(self, _path: str, _headers: dict[bytes, bytes], _body: bytes, _at: float) -> bytes:
        self.reached = True
        return OK


async def configure(hub: Hub, made: Iterable[tuple[str, str, dict[str, object]]]) -> float:
    """Write endpoints straight to Kafka and wait until the hub serves them; seconds it took. Raises TimeoutError.

    An endpoint written last is sent events until one arrives: what was written before it is known then, too.
    """
    loop, probe = asyncio.get_running_loop(), _Probe()
    began = loop.time()
    async with Listening(probe) as server:
        with Wire.of(hub) as wire:
            own = ("trial-probe", server.urls[0], {"tenant": "trial-probe", "event_types": ["trial.probe"], "updated_at": 1})
            await asyncio.to_thread(wire.endpoints, [*made, own])
        publisher = Publisher(hub, Book(), lambda _number: Address("trial-probe", "trial.probe"))
        try:
            while not probe.reached:
                if loop.time() - began > _KNOWN_WITHIN_S:
                    raise TimeoutError(f"the hub did not serve new endpoints within {_KNOWN_WITHIN_S:g} s{hub.tail()}")
                publisher.send(1)
                await until(lambda: probe.reached, 0.5)
            await asyncio.sleep(1)  # one more may be under way
        finally:
            publisher.close()
    return loop.time() - began


async def until(done: Callable[[], bool], within_s: float) -> bool:
    """Whether it came true in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not done():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


def all_arrived(book: Book, numbers: Iterable[int]) -> Callable[[], bool]:
    """Whether all of these have, asked again and again: each is looked at until it has."""
    left = set(numbers)

    def done() -> bool:
        left.difference_update([n for n in left if n in book.first])
        return not left

    return done
