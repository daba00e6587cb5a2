"""The receivers of a merchant: verify, write down, answer 200; or fail at random, as told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final, Protocol

from tests.bench.receiver import FAILED, OK, Receiver
from tests.chaos.ledger import Arrival
from tests.chaos.messages import identify

if TYPE_CHECKING:
    import random

    from tests.chaos.ledger import Ledger


HANG: Final = b""
"""The answer that is none: the sender waits in vain."""


class Takes(Protocol):
    """Whoever answers requests."""

    def take(self, path: str, headers: dict[bytes, bytes], body: bytes, at: float) -> bytes:
        """The answer to one request, or HANG."""
        ...


class Sink:
    """Everything that arrives on any endpoint. `secrets` by path: an endpoint's path is its own."""

    def __init__(self, ledger: Ledger, rng: random.Random, fail_rate: float = 0.0) -> None:
        self.ledger, self._rng, self._fail_rate = ledger, rng, fail_rate
        self.secrets: dict[str, bytes] = {}

    def take(self, path: str, headers: dict[bytes, bytes], body: bytes, at: float) -> bytes:
        """The answer to one request."""
        if self._rng.random() < self._fail_rate:
            self.ledger.refused_by_sink += 1
            return FAILED
        if not self._verified(path, headers, body):
            self.ledger.bad_signatures += 1
        event_type = headers.get(b"x-hookstream-event", b"").decode()
        identity = identify(event_type, body)
        if identity is None or not path.endswith(event_type.partition(".")[0]):
            self.ledger.unreadable.append(f"{event_type or 'no type'} at {path}: {body[:80]!r}")
        else:
            webhook_id = headers.get(b"webhook-id", b"").decode()
            self.ledger.arrive(Arrival(identity, webhook_id, at, hash(body)))
        return OK

    def _verified(self, path: str, headers: dict[bytes, bytes], body: bytes) -> bool:
        """Standard Webhooks, by the text of its specification."""
        secret = self.secrets.get(path)
        if secret is None:
            return False
        content = b"%b.%b.%b" % (headers.get(b"webhook-id", b""), headers.get(b"webhook-timestamp", b""), body)
        expected = b"v1," + base64.b64encode(hmac.digest(secret, content, hashlib.sha256))
        return expected in headers.get(b"webhook-signature", b"").split(b" ")


class SinkConnection(Receiver):
    """One connection of the hub's."""

    def __init__(self, sink: Takes) -> None:
        super().__init__()
        self._sink = sink
        self._headers: dict[bytes, bytes] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def received(self, path: bytes, body: bytes) -> None:
        headers, self._headers = self._headers, {}
        self.respond(self._sink.take(path.decode(), headers, body, asyncio.get_running_loop().time()))


async def serve(sink: Takes) -> asyncio.Server:
    """Listen on a free port of loopback."""
    return await asyncio.get_running_loop().create_server(lambda: SinkConnection(sink), "127.0.0.1", 0, backlog=1024)
