"""The receiving half of HTTP/1.1 as a raw protocol: parse, hand to a handler, answer; the base of both sinks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable

    Answer = Callable[[bytes], None]
    """Sends the response; does nothing once the sender has gone away."""

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILED: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nfailed"


def answer_json(body: bytes) -> bytes:
    """A 200 with a JSON body."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Receiver(asyncio.Protocol):
    """One connection. Subclasses implement `received`; those that need headers also `on_header`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self.transport: Any = None
        self.path = b""
        self._body: list[bytes] = []
        self.gone = False

    def received(self, path: bytes, body: bytes) -> None:
        """A whole request has arrived: answer by `respond`, now or later."""
        raise NotImplementedError

    def started(self, path: bytes) -> None:
        """A request has begun."""

    def lost(self) -> None:
        """The sender has gone away."""

    def respond(self, response: bytes) -> None:
        if not self.gone:
            self.transport.write(response)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.lost()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        self.path = url
        self._body = []
        self.started(url)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.received(self.path, self._body[0] if len(self._body) == 1 else b"".join(self._body))
