"""Keep-alive HTTP/1.1 requests with as little work as Python allows: raw protocols, one parser per connection.

The machine under test shares its cores with this client, so each microsecond here is stolen from the hub.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable

    Done = Callable[[int, bytes], None]
    """Told the status and the body, or -1 and what went wrong."""

NO_ANSWER: Final = -1
_SWEEP_S: Final = 0.5


class Connection(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._done: Done | None = None
        self._body = b""
        self.deadline = 0.0

    def send(self, request: bytes, done: Done, deadline: float) -> None:
        self._done, self._body, self.deadline = done, b"", deadline
        self._transport.write(request)

    @property
    def busy(self) -> bool:
        return self._done is not None

    def abort(self, why: str) -> None:
        """Give the request up; the connection is of no more use, its answer could come late."""
        self._finish(NO_ANSWER, why.encode())
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as e:
            self.abort(f"unreadable answer: {e}")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status, keep = self._parser.get_status_code(), self._parser.should_keep_alive()
        if not keep:
            self._transport.close()
        self._finish(status, self._body, reusable=keep)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        self._finish(NO_ANSWER, f"connection lost: {exc or 'closed by the server'}".encode())

    def _finish(self, status: int, body: bytes, *, reusable: bool = False) -> None:
        done, self._done = self._done, None
        if done is not None:
            if reusable:
                self._pool.free(self)
            done(status, body)


class Pool:
    """Connections to one address, opened when needed, the one used last first. Requests above `limit` wait in line."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 60.0, limit: int = 1000) -> None:
        self._host, self._port, self._timeout_s, self._limit = host, port, timeout_s, limit
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)

    def submit(self, request: bytes, done: Done) -> None:
        """Send one request, now if a connection may be used or opened."""
        if self._idle:
            self._idle.pop().send(request, done, self._loop.time() + self._timeout_s)
        elif len(self._all) + len(self._opening) < self._limit:
            task = self._loop.create_task(self._open(request, done))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        else:
            self._waiting.append((request, done))

    async def request(self, request: bytes) -> tuple[int, bytes]:
        """`submit` for callers that await."""
        answer: asyncio.Future[tuple[int, bytes]] = self._loop.create_future()
        self.submit(request, lambda status, body: None if answer.done() else answer.set_result((status, body)))
        return await answer

    def free(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._serve_next()

    def lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._serve_next()

    def close(self) -> None:
        self._sweeper.cancel()
        for task in self._opening:
            task.cancel()
        for connection in list(self._all):
            connection.abort("the pool was closed")

    async def _open(self, request: bytes, done: Done) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                _, connection = await self._loop.create_connection(lambda: Connection(self), self._host, self._port)
        except OSError as e:  # TimeoutError is one
            self._loop.call_soon(done, NO_ANSWER, f"cannot connect: {e or 'timed out'}".encode())
            self._loop.call_soon(self._serve_next)
            return
        self._all.add(connection)
        connection.send(request, done, self._loop.time() + self._timeout_s)

    def _serve_next(self) -> None:
        if self._waiting:
            self.submit(*self._waiting.popleft())

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [c for c in self._all if c.busy and now > c.deadline]:
            connection.abort(f"no answer within {self._timeout_s:g} s")
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)


class Head:
    """The part of a request before its body, built once; a `{{UUID}}` in a header value is made new for each request."""

    def __init__(self, method: str, path: str, host: str, headers: list[tuple[str, str]], uuids: Callable[[], bytes]) -> None:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in headers), "Content-Length: "]
        self._pieces = "\r\n".join(lines).encode().split(b"{{UUID}}")
        self._uuids = uuids

    def build(self, body: bytes, extra: bytes = b"") -> bytes:
        """The whole request. `extra` is header lines, each ended by CRLF."""
        head = self._pieces[0]
        for piece in itertools.islice(self._pieces, 1, None):
            head += self._uuids() + piece
        return b"%b%d\r\n%b\r\n%b" % (head, len(body), extra, body)
