"""Providers as they behave: a steady rate, and every message again and again until the hub answers 2xx."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.bench.client import Head, Pool
from tests.chaos.messages import Message, shopify_request, stripe_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.ledger import Ledger

_TIMEOUT_S: Final = 5.0  # Shopify's
_FIRST_RETRY_S: Final = 0.25
_LONGEST_WAIT_S: Final = 4.0
_TRIES: Final = 60


@dataclass(frozen=True)
class Source:
    """Where a provider posts to, and its secret."""

    path: str
    secret: bytes


class Generator:
    """Posts messages, keeping the books. Runs on the event loop that made it."""

    def __init__(self, ledger: Ledger, port: int, sources: dict[str, Source], *, run: int) -> None:
        self._ledger, self._sources, self._run = ledger, sources, run
        self._loop = asyncio.get_running_loop()
        self._pool = Pool("127.0.0.1", port, timeout_s=_TIMEOUT_S, limit=200)
        headers = [("Content-Type", "application/json")]
        self._heads = {p: Head("POST", s.path, f"127.0.0.1:{port}", headers, lambda: b"") for p, s in sources.items()}
        self._pending: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Messages not accepted yet."""
        return len(self._pending)

    def send(self, message: Message) -> None:
        """Send one message, until accepted."""
        if message.completes:
            self._ledger.derive(*message.completes)
        self._ledger.send(message.identity, f"{message.key}", message.version, self._loop.time())
        task = self._loop.create_task(self._insist(message))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def run(self, traffic: Iterator[Message], *, rate: float, seconds: float) -> None:
        """Send at `rate` a second, at scheduled times, whatever the hub does."""
        begun = self._loop.time()
        for index in range(round(rate * seconds)):
            if (wait := begun + index / rate - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            self.send(next(traffic))

    async def settle(self, timeout_s: float) -> None:
        """Until everything was accepted, or given up after its last try."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=timeout_s)

    def close(self) -> None:
        for task in self._pending:
            task.cancel()
        self._pool.close()

    async def _insist(self, message: Message) -> None:
        wait = _FIRST_RETRY_S
        for _ in range(_TRIES):
            status, answer = await self._pool.request(self._request(message))
            self._ledger.answers[f"{status}" if status > 0 else answer.decode().split(":")[0]] += 1
            if 200 <= status < 300:
                self._ledger.accept(message.identity, self._loop.time())
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_S)
            self._ledger.retry(message.identity)

    def _request(self, message: Message) -> bytes:
        head, secret = self._heads[message.provider], self._sources[message.provider].secret
        if message.provider == "stripe":
            return stripe_request(head, secret, message, int(time.time()))
        return shopify_request(head, secret, message, self._run)
